# shellcheck shell=bash
# The Debian packages that building Veneer needs, and how it is built. Sourced after lib.sh.

need_build_packages() {
	local lib=/usr/include
	need_packages g++=g++ cmake=cmake ninja-build=ninja pkg-config=pkg-config ccache=ccache \
		acpica-tools=iasl \
		libfmt-dev=$lib/fmt/core.h libspdlog-dev=$lib/spdlog/spdlog.h \
		libexpected-dev=$lib/tl/expected.hpp libcli11-dev=$lib/CLI/CLI.hpp \
		nlohmann-json3-dev=$lib/nlohmann/json.hpp libxen-dev=$lib/xen/xen.h \
		libzydis-dev=$lib/Zydis/Zydis.h liburing-dev=$lib/liburing.h libseccomp-dev=$lib/seccomp.h libnbd-dev=$lib/libnbd.h \
		libslirp-dev=$lib/slirp/libslirp.h libtomlplusplus-dev=$lib/toml++/toml.h \
		libarchive-dev=$lib/archive.h libyaml-dev=$lib/yaml.h \
		zlib1g-dev=$lib/zlib.h liblzma-dev=$lib/lzma.h liblz4-dev=$lib/lz4.h \
		libzstd-dev=$lib/zstd.h libbz2-dev=$lib/bzlib.h
}

# build_preset PRESET TARGET ROOT LOG [CMAKE-OPTION...]: configures and builds; the log is shown when that fails.
build_preset() {
	local preset=$1 target=$2 root=$3 log=$4
	shift 4
	# Lets a fresh clone use what another clone has compiled.
	export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=yes CCACHE_SLOPPINESS=pch_defines,time_macros
	if ! (cd "$root" && cmake --preset "$preset" "$@" && cmake --build --preset "$preset" --target "$target") >"$log" 2>&1; then
		tail -n 40 "$log" >&2
		die "building the '$preset' preset failed; the whole log is in $log"
	fi
}
