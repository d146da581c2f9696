#!/bin/sh
# Coverage-guided fuzzing: every target for the given seconds, new inputs kept in build/fuzz-corpus,
# crashes in build/fuzz-crashes.  Usage: tests/fuzz/run.sh SECONDS TARGET...
set -eu
cd "$(dirname "$0")/../.."
seconds=$1
shift
command -v clang >/dev/null || { echo "fuzz: clang is missing; scripts/bootstrap installs it"; exit 1; }
for target in "$@"; do
	name=${target%_fuzz}
	make -s CC=clang SAN=address,undefined EXTRA_CFLAGS=-fsanitize=fuzzer-no-link \
		B=build/libfuzzer "build/libfuzzer/fuzz/${target}_replay"
	# The replay rule compiled every object with coverage; link them again with the engine's main.
	mkdir -p "build/fuzz-corpus/$name" build/fuzz-crashes
	clang -fsanitize=fuzzer,address,undefined -pthread -o "build/libfuzzer/$target" \
		"build/libfuzzer/obj/tests/fuzz/$target.o" \
		-Wl,--start-group build/libfuzzer/lib/*.a -Wl,--end-group \
		-lsodium -lcjson -lssl -lcrypto -lcares -levent_core -levent_extra -levent_pthreads -lsqlite3 \
		-lnl-route-3 -lnl-3 -lm $([ -e /usr/include/intel-ipsec-mb.h ] && echo -lIPSec_MB)
	echo "== $target"
	"build/libfuzzer/$target" -max_total_time="$seconds" -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="build/fuzz-crashes/$name-" \
		"build/fuzz-corpus/$name" "tests/fuzz/corpus/$name" 2>&1 | grep -E 'stat::|ERROR|SUMMARY|DONE|cov:' | tail -n 8
done
