#!/bin/sh
# Coverage-guided fuzzing: SECONDS in all, shared among the targets by the parts in tests/fuzz/targets
# (one second each at least). New inputs are kept in build/fuzz/corpus, crashes in build/fuzz/crashes,
# a line for each run in build/fuzz/log.tsv: date, commit, target, seconds, executions, edges,
# features, inputs. A crash ends its target's run, not the others', and the exit status is 1.
# Usage: [B=build] tests/fuzz/run.sh SECONDS TARGET...
set -eu
cd "$(dirname "$0")/../.."
seconds=$1
shift
build=${B:-build}
out=$build/fuzz
commit=$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
command -v clang >/dev/null || { echo "fuzz: clang is missing; scripts/bootstrap installs it"; exit 1; }

# The parts of one target; nothing where it has no line.
parts_of() {
	awk -v name="${1%_fuzz}" '$1 == name { print $2 }' tests/fuzz/targets
}

all_parts=0
programs=
for target in "$@"; do
	parts=$(parts_of "$target")
	[ -n "$parts" ] || { echo "fuzz: ${target%_fuzz} has no line in tests/fuzz/targets"; exit 1; }
	all_parts=$((all_parts + parts))
	programs="$programs $out/engine/fuzz/$target"
done

# shellcheck disable=SC2086 # a list of paths without spaces
make -s CC=clang SAN=address,undefined EXTRA_CFLAGS=-fsanitize=fuzzer-no-link B="$out/engine" $programs
mkdir -p "$out/crashes"

# The figure behind a word in the engine's output, the last one.
figure() {
	grep -oE "$1:? +[0-9]+" "$out/$target.log" | tail -n 1 | grep -oE '[0-9]+$' || echo 0
}

status=0
printf '%-18s %8s %12s %8s %9s %8s\n' target seconds executions edges features inputs
for target in "$@"; do
	name=${target%_fuzz}
	share=$((seconds * $(parts_of "$target") / all_parts))
	[ "$share" -ge 1 ] || share=1
	mkdir -p "$out/corpus/$name"
	"$out/engine/fuzz/$target" -max_total_time="$share" -rss_limit_mb=1024 -timeout=10 -print_final_stats=1 \
		-artifact_prefix="$out/crashes/$name-" "$out/corpus/$name" "tests/fuzz/corpus/$name" \
		>"$out/$target.log" 2>&1 || status=1
	executed=$(figure 'number_of_executed_units')
	edges=$(figure 'cov')
	features=$(figure 'ft')
	inputs=$(figure 'corp')
	printf '%-18s %8s %12s %8s %9s %8s\n' "$name" "$share" "$executed" "$edges" "$features" "$inputs"
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$(date -u +%F)" "$commit" "$name" "$share" \
		"$executed" "$edges" "$features" "$inputs" >>"$out/log.tsv"
	grep -E '^SUMMARY|Test unit written' "$out/$target.log" || true
done
exit "$status"
