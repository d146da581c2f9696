#!/bin/sh
# Runs every unit test and corpus replay given, prints the output of those that fail, and ends with
# one line: N passed, N failed, N skipped.  Usage: tests/check.sh BUILD-DIR PROGRAM...
# Each has ten minutes, which is a hang and no busy machine; $UNDER is a command that each is run by,
# and may take ten times as long.
set -u
dir=$1
shift
passed=0 failed=0 skipped=0
log=$dir/check.log
: >"$log"
for t in "$@"; do
	# shellcheck disable=SC2086  # a command and its options
	out=$(cd "$(dirname "$0")/.." && timeout ${UNDER:+6}600 ${UNDER-} "$t" 2>&1)
	rc=$?
	printf '== %s (exit %s)\n%s\n' "$t" "$rc" "$out" >>"$log"
	n=$(printf '%s\n' "$out" | sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' | tail -n 1)
	f=$(printf '%s\n' "$out" | sed -n 's/^ *\([0-9]*\) FAILED TEST(S).*/\1/p' | tail -n 1)
	f=${f:-0}
	s=$(printf '%s\n' "$out" | sed -n 's/^\[  SKIPPED \] \([0-9]*\) test.*/\1/p' | tail -n 1)
	passed=$((passed + ${n:-0}))
	skipped=$((skipped + ${s:-0}))
	if [ "$rc" -ne 0 ]; then
		[ "$f" -gt 0 ] || f=1
		failed=$((failed + f))
		printf 'FAILED %s (exit %s)\n%s\n' "$t" "$rc" "$out"
	fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
