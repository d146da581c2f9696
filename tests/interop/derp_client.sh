#!/bin/sh
# The field's own DERP client (Go) on our relay, unchanged: over TLS with a pinned certificate, and over a
# WebSocket.
# Prints ok NAME, FAIL NAME why, skip NAME why lines.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=${WARREN_BUILD:-$here/../../build}
relay=$build/warren-relay

command -v go >/dev/null || { echo "skip derp-client Go is missing"; exit 0; }
[ -x "$relay" ] || { echo "skip derp-client $relay is missing"; exit 0; }
tmp=$(mktemp -d)
pid=
# shellcheck disable=SC2317 # called by the trap
stop() {
	[ -z "$pid" ] || { kill "$pid"; wait "$pid"; } 2>/dev/null
	rm -rf "$tmp"
}
trap stop EXIT

if ! (cd "$here/derp_client" && go build -tags ts_debug_websockets -o "$tmp/derp_client" .) >"$tmp/go.log" 2>&1; then
	echo "skip derp-client it does not build here: $(tail -n 1 "$tmp/go.log")"
	exit 0
fi

mesh_key=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
echo "$mesh_key" >"$tmp/mesh.key"
"$relay" --listen 127.0.0.1:0 --http off --stun off --hostname 127.0.0.1 --state-dir "$tmp/state" \
	--mesh-key-file "$tmp/mesh.key" --tls self-signed >"$tmp/entry.json" 2>"$tmp/relay.log" &
pid=$!
for _ in $(seq 50); do
	[ -s "$tmp/entry.json" ] && break
	sleep 0.1
done
[ -s "$tmp/entry.json" ] || { echo "FAIL derp-client the relay did not start: $(tail -n 1 "$tmp/relay.log")"; exit 1; }

failed=0
timeout 120 "$tmp/derp_client" check -relay "$tmp/entry.json" -mesh-key "$mesh_key" -prefix derp-tls || failed=1
# The library's WebSocket knows authorities only: the relay's own certificate becomes one.
SSL_CERT_FILE=$tmp/state/tls.crt TS_DEBUG_DERP_WS_CLIENT=1 timeout 120 "$tmp/derp_client" check \
	-relay "$tmp/entry.json" -mesh-key "$mesh_key" -prefix derp-websocket -watch=false 2>"$tmp/ws.log" || failed=1
exit $failed
