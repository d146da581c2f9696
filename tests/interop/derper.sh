#!/bin/sh
# Our daemon on a relay that fleets run already: derper, unchanged, from $DERPER, PATH, build/peers, or built
# there where Go is.
# Prints ok NAME, FAIL NAME why, skip NAME why lines.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=${WARREN_BUILD:-$here/../../build}
version=v1.102.5

skip() {
	echo "skip derper $1"
	exit 0
}

[ "$(id -u)" = 0 ] || skip "needs root for network namespaces"
for program in warrend warren warren-coordinator; do
	[ -x "$build/$program" ] || skip "$build/$program is missing"
done

derper=${DERPER:-$(command -v derper || echo "$build/peers/derper")}
if [ ! -x "$derper" ]; then
	command -v go >/dev/null || skip "neither \$DERPER, derper nor Go is here"
	mkdir -p "$build/peers" && peers=$(cd "$build/peers" && pwd) || exit 1
	GOBIN=$peers go install "tailscale.com/cmd/derper@$version" 2>"$peers/derper.log" ||
		skip "it does not build here: $(tail -n 1 "$peers/derper.log")"
	derper=$peers/derper
fi
exec python3 "$here/derper.py" "$derper" "$@"
