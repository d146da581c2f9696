# Sourced by demo and test, from the project's root: becomes root, installs what is needed, builds.
# What root makes in build/ goes to the folder's owner at the end, however that comes.
# shellcheck shell=sh

if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || {
		echo "$0: network namespaces need root, and there is no sudo: run it as root" >&2
		exit 1
	}
	exec sudo "$PWD/scripts/${0##*/}" "$@"
fi

give_back() {
	[ ! -d build ] || chown -R "$(stat -c %u:%g .)" build
}
trap give_back EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Root asks git about a folder that is another user's.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'

# Runs make with a line that counts its steps; shows the end of its output where it fails.
build() {
	what=$1
	shift
	mkdir -p build
	make -j"$(nproc)" "$@" >build/make.log 2>&1 &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		sleep 1
		steps=$(grep -c '^  [A-Z]' build/make.log || true)
		if [ -t 1 ]; then
			printf '\r%s: %s steps' "$what" "$steps"
		elif [ "$((steps / 50))" -gt "${shown:-0}" ]; then
			shown=$((steps / 50))
			echo "$what: $steps steps"
		fi
	done
	if ! wait "$pid"; then
		echo "$what: failed"
		tail -n 40 build/make.log >&2
		exit 1
	fi
	[ ! -t 1 ] || printf '\r'
	echo "$what: done, $(grep -c '^  [A-Z]' build/make.log || true) steps"
}

scripts/bootstrap
