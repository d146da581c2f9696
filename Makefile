# Warren's build: one file, not recursive. Everything lands in $(B) (build/, or build/<sanitizers>/).
#   make                 all programs            make check [SAN=address,undefined|thread]
#   make lab [STRICT=1]  real NATs, as root      make fuzz T=60 · bench · interop · demo · lint · format · install
#   make soak T=3600     time as a test, as root
#   make sim SEEDS=1000  random days of a whole mesh, without waiting; SEED=7 for one, told;
#                        LTO=1 for long runs: built once more, and a sixth quicker
#   make static          programs that need no file beside them     make valgrind
# A folder with sources is a room; each room becomes one archive. DEPS_<room> says what a room may
# link, and so, with the includes, keeps the walls of docs/ARCHITECTURE.md standing.
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

VERSION := 0.1.0
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
comma := ,
SAN ?=
LTO ?=
B ?= build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))$(if $(LTO),/lto)
V ?= 0
Q := $(if $(filter 1,$(V)),,@)

PREFIX ?= /usr/local
DESTDIR ?=

# ---- flags ------------------------------------------------------------------------------------
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wformat=2 -Wundef -Wvla -Wwrite-strings -Wcast-qual \
	-Wpointer-arith -Wswitch-enum -Wno-missing-field-initializers -Werror
HARDEN := -O2 -fstack-protector-strong -fPIE $(if $(SAN),,-D_FORTIFY_SOURCE=2)
LTOFLAGS := $(if $(LTO),-O3 -flto=auto -fno-semantic-interposition)
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
CFLAGS := -std=c17 -D_GNU_SOURCE -g $(HARDEN) $(WARN) $(LTOFLAGS) $(SANFLAGS) -I. $(EXTRA_CFLAGS)
LDFLAGS := -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(LTOFLAGS) $(SANFLAGS) -pthread \
	$(EXTRA_LDFLAGS)
PKG_CFLAGS := $(shell pkg-config --cflags libnl-3.0 libnl-route-3.0 2>/dev/null | sed 's/-I/-isystem /g')

HAVE_IPSEC_MB := $(shell test -e /usr/include/intel-ipsec-mb.h && echo 1)
ifeq ($(HAVE_IPSEC_MB),1)
CFLAGS += -DHAVE_IPSEC_MB=1
LIB_MB := -lIPSec_MB
endif

COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

# ---- rooms and who may include whom -----------------------------------------------------------
ROOMS := common common/proto common/net stun agent/wg agent/path agent/filter agent/measure \
	agent/tunnel agent/session agent/system agent/local agent/cli agent derp-relay coordinator
DEPS_common :=
DEPS_common/proto := common
DEPS_common/net := common common/proto
DEPS_stun := common common/proto common/net
DEPS_agent/wg := common
DEPS_agent/path := common
DEPS_agent/filter := common
DEPS_agent/measure := common
DEPS_agent/tunnel := common common/proto common/net agent/wg agent/filter
DEPS_agent/session := common common/proto common/net stun
DEPS_agent/system := common
DEPS_agent/local := common common/net agent/measure
DEPS_agent/cli := common common/net agent/local agent/measure
DEPS_agent := $(filter-out agent agent/cli derp-relay coordinator,$(ROOMS))
DEPS_derp-relay := common common/proto common/net stun
DEPS_coordinator := common common/proto common/net stun

LIBS := -lsodium -lcjson -levent_core -levent_extra -levent_pthreads -lssl -lcrypto -lcares -lsqlite3 \
	-lnl-route-3 -lnl-3 $(LIB_MB) -lm

sources = $(filter-out %/main.c,$(wildcard $(1)/*.c))
objects = $(patsubst %.c,$(B)/obj/%.o,$(call sources,$(1)))
archive = $(B)/lib/$(subst /,-,$(1)).a
# What a program or test of room $(1) links: the room itself, then its dependencies that have sources.
link_archives = $(foreach r,$(1) $(DEPS_$(1)),$(if $(call sources,$(r)),$(call archive,$(r))))

PROGRAMS := warrend warren warren-coordinator warren-relay warren-stun
MAIN_warrend := agent
MAIN_warren := agent/cli
MAIN_warren-coordinator := coordinator
MAIN_warren-relay := derp-relay
MAIN_warren-stun := stun

TESTS := $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/*_test.c))
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*_fuzz.c))
LAB_TOOLS := $(patsubst tests/lab/tools/%.c,$(B)/lab/%,$(wildcard tests/lab/tools/*.c))
# The room of a test or fuzzer is the room of the module it is named after.
room_of = $(firstword $(foreach r,$(ROOMS),$(if $(wildcard $(r)/$(1).c $(r)/$(1).h),$(r))) common)

.PHONY: all check sim lab soak demo interop bench fuzz lint format install clean programs static valgrind
all: programs $(LAB_TOOLS)
programs: $(PROGRAMS:%=$(B)/%) $(B)/warren-wg

# ---- compile and link -------------------------------------------------------------------------
$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(CFLAGS) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

# Rebuilt when the commit changes, since --version names it.
$(B)/obj/common/version.o: CFLAGS += -DWARREN_VERSION='"$(VERSION)"' -DWARREN_COMMIT='"$(COMMIT)"'
$(B)/obj/common/version.o: $(B)/commit
$(B)/commit: force
	@mkdir -p $(@D); echo '$(COMMIT)' | cmp -s - $@ || echo '$(COMMIT)' > $@
.PHONY: force

define room_rule
$(call archive,$(1)): $(call objects,$(1))
	@mkdir -p $$(@D)
	@echo "  AR      $$@"
	$(Q)rm -f $$@ && ar rcsD $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call room_rule,$(r))))

define program_rule
$(B)/$(1): $(B)/obj/$(MAIN_$(1))/main.o $(call link_archives,$(MAIN_$(1)))
	@echo "  LINK    $$@"
	$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(LIBS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$(p))))

$(B)/warren-wg: $(B)/warrend
	@ln -sf warrend $@

# ---- static -----------------------------------------------------------------------------------
# The same archives without any shared library: docs/adr/0003-static-programs.md. Debian has no
# static cJSON; its sources are fetched once, by their hashes.
STATIC_PROGRAMS := warrend warren warren-relay warren-stun
STATIC_LDFLAGS := -static-pie -Wl,-z,relro,-z,now -pthread \
	$(foreach f,dlopen dlsym dlclose dlerror dladdr,-Wl,--wrap=$(f)) $(EXTRA_LDFLAGS)
STATIC_LIBS := $(filter-out -lcjson -lsqlite3,$(LIBS))
CJSON := build/deps/cjson

static: $(STATIC_PROGRAMS:%=$(B)/static/%) $(B)/static/warren-wg

$(CJSON)/cJSON.c:
	$(Q)scripts/bootstrap cjson $(CJSON)
$(B)/obj/cJSON.o: $(CJSON)/cJSON.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) -std=c17 -g $(HARDEN) -c -o $@ $<

define static_rule
$(B)/static/$(1): $(B)/obj/$(MAIN_$(1))/main.o $(call objects,common/static) $(B)/obj/cJSON.o \
		$(call link_archives,$(MAIN_$(1)))
	@mkdir -p $$(@D)
	@echo "  LINK    $$@"
	$(Q)$$(CC) $$(STATIC_LDFLAGS) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(STATIC_LIBS)
endef
$(foreach p,$(STATIC_PROGRAMS),$(eval $(call static_rule,$(p))))

$(B)/static/warren-wg: $(B)/static/warrend
	@ln -sf warrend $@

# ---- tests ------------------------------------------------------------------------------------
define test_rule
$(B)/tests/$(1): $(B)/obj/tests/unit/$(1).o $(B)/obj/tests/unit/test.o \
		$(call link_archives,$(call room_of,$(1:_test=)))
	@mkdir -p $$(@D)
	@echo "  LINK    $$@"
	$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(LIBS) -lcmocka
endef
$(foreach t,$(notdir $(TESTS)),$(eval $(call test_rule,$(t))))

# Replays a corpus without a fuzzing engine, so that any compiler and sanitizer can do it; and the
# same with clang's engine, which tests/fuzz/run.sh builds and runs.
define replay_rule
$(B)/fuzz/$(1)_replay: $(B)/obj/tests/fuzz/$(1).o $(B)/obj/tests/fuzz/replay.o \
		$(call link_archives,$(call room_of,$(1:_fuzz=)))
	@mkdir -p $$(@D)
	@echo "  LINK    $$@"
	$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(LIBS)

$(B)/fuzz/$(1): $(B)/obj/tests/fuzz/$(1).o $(call link_archives,$(call room_of,$(1:_fuzz=)))
	@mkdir -p $$(@D)
	@echo "  LINK    $$@"
	$(Q)$$(CC) $$(LDFLAGS) -fsanitize=fuzzer -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(LIBS)
endef
$(foreach f,$(FUZZERS),$(eval $(call replay_rule,$(f))))

# ---- simulation -------------------------------------------------------------------------------
# Every program in one process: the same archives, and in front of them tests/sim, whose modules
# stand for those that meet the kernel. What an object defines, no archive is asked for; so the
# event library must not be there to answer for what tests/sim forgot.
SIM_ROOMS := agent derp-relay coordinator
SIM_PARTS := $(call objects,tests/sim) \
	$(foreach r,$(sort $(SIM_ROOMS) $(foreach r,$(SIM_ROOMS),$(DEPS_$(r)))),$(call archive,$(r)))
# Calls that are met on their way from one module to another: node_tap, coverage_tap, and of
# libsodium, curve_tap, seal_tap.
SIM_WATCHED := $(patsubst __wrap_%,%,$(sort $(shell grep -oh '__wrap_[a-z_]*' $(wildcard tests/sim/*_tap.h))))
SIM_LDFLAGS := $(LDFLAGS) $(SIM_WATCHED:%=-Wl,--wrap=%)
SIM_LIBS := $(filter-out -levent% -lcares -lssl -lnl%,$(LIBS))
SIM_TESTS := $(patsubst tests/sim/unit/%.c,$(B)/tests/sim/%,$(wildcard tests/sim/unit/*_test.c))

define sim_link
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(SIM_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(SIM_LIBS) $(1)
endef

$(B)/warren-sim: $(B)/obj/tests/sim/main.o $(SIM_PARTS)
	$(call sim_link)
# By name, so that make keeps the objects and builds them once.
$(SIM_TESTS): $(B)/tests/sim/%: $(B)/obj/tests/sim/unit/%.o $(B)/obj/tests/unit/test.o $(SIM_PARTS)
	$(call sim_link,-lcmocka)

# SEEDS days from FROM on by JOBS processes; or the one of SEED, with every decision told.
SEEDS ?= 1000
FROM ?= 1
JOBS ?= $(shell nproc)
sim: $(B)/warren-sim
	$(Q)$(B)/warren-sim $(if $(SEED),--seed $(SEED) --trace,--seeds $(SEEDS) --from $(FROM) --jobs $(JOBS) --coverage)

check: programs $(TESTS) $(FUZZERS:%=$(B)/fuzz/%_replay) $(SIM_TESTS) $(B)/warren-sim
	$(Q)tests/check.sh $(B) $(TESTS) $(FUZZERS:%=$(B)/fuzz/%_replay) $(SIM_TESTS) $(B)/warren-sim

# Coverage-guided fuzzing, T seconds in all, shared as tests/fuzz/targets says. Needs clang.
T ?= 60
fuzz:
	$(Q)B=$(B) tests/fuzz/run.sh $(T) $(FUZZERS)

# By name, so that make keeps the objects and builds them once.
$(LAB_TOOLS): $(B)/lab/%: $(B)/obj/tests/lab/tools/%.o $(call archive,common)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

lab: all
	$(Q)WARREN_BUILD=$(abspath $(B)) STRICT=$(STRICT) tests/lab/run
demo: all
	$(Q)WARREN_BUILD=$(abspath $(B)) tests/lab/demo
# T seconds, an hour unless said.
soak: all
	$(Q)WARREN_BUILD=$(abspath $(B)) tests/lab/soak \
		--seconds $(if $(filter command environment,$(firstword $(origin T))),$(T),3600)
interop: all
	$(Q)WARREN_BUILD=$(abspath $(B)) tests/interop/run
bench: all
	$(Q)WARREN_BUILD=$(abspath $(B)) tests/bench/run

# ---- care -------------------------------------------------------------------------------------
# memcheck. Turns are taken (--fair-sched), else a test's threads wait for each other's busy loops.
VALGRIND := valgrind -q --error-exitcode=99 --fair-sched=yes --leak-check=full \
	--errors-for-leak-kinds=definite,indirect,possible --suppressions=tests/valgrind.supp
valgrind: $(TESTS)
	$(Q)UNDER="$(VALGRIND)" tests/check.sh $(B) $(TESTS)

ALL_C := $(shell git ls-files '*.c' '*.h' 2>/dev/null)
LINT_FLAGS := -std=c17 -D_GNU_SOURCE -I. $(PKG_CFLAGS) $(filter -DHAVE%,$(CFLAGS)) \
	-DWARREN_VERSION=\"$(VERSION)\" -DWARREN_COMMIT=\"$(COMMIT)\"
# clang-tidy counts what it left out on stderr, file by file; a finding is on stdout. A line of a
# comment that is too long, clang-format breaks so that no space follows the star.
lint:
	$(Q)! git grep -nE '^ \*[^ /[:space:]]' -- '*.[ch]'
	$(Q)clang-format --dry-run -Werror $(ALL_C)
	$(Q)printf '%s\n' $(filter %.c,$(ALL_C)) | xargs -P $$(nproc) -n 8 \
		sh -c 'clang-tidy --quiet "$$@" -- $(LINT_FLAGS) 2>/dev/null' lint
	$(Q)shellcheck -x $(shell git grep -lE '^#!/.*(ba|da)?sh' -- scripts tests .ci 2>/dev/null)
format:
	$(Q)clang-format -i $(ALL_C)

install: programs
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/bin $(PROGRAMS:%=$(B)/%)
	ln -sf warrend $(DESTDIR)$(PREFIX)/bin/warren-wg
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/share/doc/warren
	for unit in scripts/systemd/*.service; do sed 's|/usr/local|$(PREFIX)|g' $$unit \
		> $(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/} || exit 1; done
	install -m 644 README.md LICENSE docs/*.md $(DESTDIR)$(PREFIX)/share/doc/warren
	install -d -m 755 $(DESTDIR)/etc/warren
clean:
	rm -rf $(B)

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
