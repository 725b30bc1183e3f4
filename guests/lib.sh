# shellcheck shell=bash
# What the guest recipes share: messages, the cache, locks, temporary folders, Debian packages.
# Sourced, not run. Standard output belongs to the recipe's result, so everything here speaks on stderr.

export LC_ALL=C
# depmod and friends live in sbin, which is not on an ordinary user's path.
PATH=$PATH:/usr/sbin:/sbin

readonly PROGRAM=${0##*/}
say() { printf '%s: %s\n' "$PROGRAM" "$*" >&2; }
die() {
	say "$*"
	exit 1
}
usage_error() { die "$* (try '$PROGRAM --help')"; }

# Prints the comment block at the head of the running script: the help text lives in one place.
print_help() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p;}' "$0"; }

cache_dir() {
	local dir=${VENEER_CACHE:-}
	if [[ -z $dir ]]; then
		[[ -n ${XDG_CACHE_HOME:-${HOME:-}} ]] || die "no place for the cache: set VENEER_CACHE, XDG_CACHE_HOME or HOME"
		dir=${XDG_CACHE_HOME:-$HOME/.cache}/veneer
	fi
	mkdir -p "$dir" || die "cannot create the cache folder $dir; set VENEER_CACHE to a folder you can write to"
	(cd "$dir" && pwd)
}

# take_lock FILE: held until the script ends. A second caller waits, and says so.
take_lock() {
	local fd
	exec {fd}>"$1"
	if ! flock --nonblock "$fd"; then
		say "another run holds ${1##*/}; waiting for it to finish"
		flock "$fd"
	fi
}

# fresh_temp_dir DIR: an empty folder for work in progress, removed when the script ends for whatever reason.
# Call with the lock held: what an interrupted run left behind under that name goes first.
TEMP_DIR=
BACKGROUND_GROUP=
fresh_temp_dir() {
	trap clean_up EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	rm -rf "$1"
	mkdir -p "$1"
	TEMP_DIR=$1
}
clean_up() {
	if [[ -n $BACKGROUND_GROUP ]]; then
		kill -TERM -- "-$BACKGROUND_GROUP" 2>/dev/null || true
		wait "$BACKGROUND_GROUP" 2>/dev/null || true
	fi
	[[ -z $TEMP_DIR ]] || rm -rf "$TEMP_DIR"
}

need_kvm() {
	[[ -r /dev/kvm && -w /dev/kvm ]] ||
		die "/dev/kvm is missing or not yours to use: load kvm_intel or kvm_amd, or join the group 'kvm'"
}

# as_root COMMAND...: fails when there is no way to become root without asking for a password.
as_root() {
	if ((EUID == 0)); then
		"$@"
	elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
		sudo -n "$@"
	else
		return 1
	fi
}

refresh_package_lists() {
	if [[ -n ${APT_CONFIG:-} ]]; then
		apt-get -q update >&2
	else
		as_root apt-get -q -o DPkg::Lock::Timeout=120 update >&2
	fi
}

# debian_mirror RELEASE FALLBACK: where this machine has a release of Debian from, such as bookworm-security.
debian_mirror() {
	local uri
	# shellcheck disable=SC2016 # apt's own variables
	uri=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		sed -n "s/^$1 //p" | head -n 1) || uri=
	printf '%s\n' "${uri:-$2}"
}

# use_own_apt ARCHITECTURE RELEASE...: from here on apt knows these releases of Debian for that architecture, with package
# lists of their own in the cache. The machine's apt is not touched, and no root is needed.
use_own_apt() {
	local architecture=$1 dir release host uri
	shift
	dir=$(cache_dir)/apt/$architecture-$1
	mkdir -p "$dir"/{lists,archives}/partial
	# shellcheck source=/dev/null
	host=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
	for release in "$@"; do
		case $release in
		*-security) uri=$(debian_mirror "$host-security" http://deb.debian.org/debian-security) ;;
		*) uri=$(debian_mirror "$host" http://deb.debian.org/debian) ;;
		esac
		printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$uri" "$release"
	done >"$dir/sources.$$"
	mv -T "$dir/sources.$$" "$dir/sources.list"
	: >"$dir/status"
	cat >"$dir/apt.conf.$$" <<-END
		APT::Architecture "$architecture";
		APT::Architectures "$architecture";
		APT::Sandbox::User "root";
		Acquire::Languages "none";
		Dir::Etc::sourcelist "$dir/sources.list";
		Dir::Etc::sourceparts "-";
		Dir::State "$dir";
		Dir::State::status "$dir/status";
		Dir::Cache "$dir";
	END
	mv -T "$dir/apt.conf.$$" "$dir/apt.conf"
	export APT_CONFIG=$dir/apt.conf
}

install_packages() {
	local -a apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300
		install --no-install-recommends "$@")
	as_root true || die "these Debian packages are missing and neither root nor sudo is available to install them: $*"
	say "installing $*"
	# The lists may be absent or out of date: refresh them only when the plain attempt fails.
	as_root "${apt[@]}" >&2 || { refresh_package_lists && as_root "${apt[@]}" >&2; } ||
		die "cannot install the Debian packages $*; apt-get says why above"
}

# need_packages PACKAGE=PROOF...: installs the packages whose proof, a command or an absolute path, is absent.
need_packages() {
	local pair proof
	local -a missing=()
	for pair in "$@"; do
		proof=${pair#*=}
		case $proof in
		/*) [[ -e $proof ]] ;;
		*) command -v "$proof" >/dev/null ;;
		esac || missing+=("${pair%%=*}")
	done
	((${#missing[@]} == 0)) || install_packages "${missing[@]}"
}

# package_candidate NAME: the version apt would install; empty when apt does not know the package.
package_candidate() {
	apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: //p' | sed '/(none)/d'
}

# fetch_package NAME[=VERSION] FOLDER: downloads a package without installing it and unpacks it into FOLDER.
# Needs no root; the caller provides the temporary folder it runs in.
fetch_package() {
	local download
	local -a apt=(apt-get -q)
	# As root, apt would hand the download to its own user, who cannot write into the cache.
	((EUID != 0)) || apt+=(-o APT::Sandbox::User=root)
	download=$(mktemp -d "$2.deb.XXXXXX")
	# The lists may name a version that the archive has replaced since.
	(cd "$download" && { "${apt[@]}" download "$1" || { refresh_package_lists && "${apt[@]}" download "$1"; }; } >&2) ||
		die "cannot download the Debian package $1; apt-get says why above ('apt-get update' may help)"
	dpkg-deb -x "$download"/*.deb "$2" || die "cannot unpack the Debian package $1; is there room on the disk?"
	rm -rf "$download"
}
