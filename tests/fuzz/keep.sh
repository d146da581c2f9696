#!/bin/sh
# Brings what fuzzing found into tests/fuzz/corpus, lean: files with names of people's stay; of the
# engine's, named by their hash, the few that reach most, so that `make check` goes where the
# fuzzers have been within seconds. What this leaves out stays in build/fuzz/corpus.
# Usage: [B=build] tests/fuzz/keep.sh TARGET...      after tests/fuzz/run.sh
set -eu
cd "$(dirname "$0")/../.."
build=${B:-build}
out=$build/fuzz
len_max=2000 # bytes of an input
kept_max=60  # inputs of a target
new=$out/kept
for target in "$@"; do
	name=${target%_fuzz}
	kept=tests/fuzz/corpus/$name
	rm -rf "$new"
	mkdir -p "$new" "$kept"
	# A set cover: the fewest inputs that reach together all that all of them reach.
	"$out/engine/fuzz/$target" -set_cover_merge=1 -max_len=$len_max -rss_limit_mb=1024 \
		"$new" "$kept" "$out/corpus/$name" >"$out/$target.keep.log" 2>&1 ||
		{ echo "$name: left as it is, see $out/$target.keep.log"; continue; }
	find "$kept" -regextype posix-extended -type f -regex '.*/[0-9a-f]{40}' -delete
	# The engine puts those that reach most first.
	find "$new" -type f -printf '%T@ %p\n' | sort -n | head -n $kept_max |
		while read -r _ file; do cp "$file" "$kept"; done
	printf '%-18s %4s of %5s inputs\n' "$name" "$(find "$kept" -type f | wc -l)" \
		"$(find "$out/corpus/$name" -type f | wc -l)"
done
