# Shared by the scripts; sourced, not run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '== %s\n' "$*" >&2; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# as_root COMMAND…: as it is for root, else by sudo.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else fail "this needs root rights to install packages: run it as root, or install sudo"
  fi
}

# install_packages FILE…: installs those packages of the lists that are missing.
install_packages() {
  command -v dpkg-query >/dev/null || fail "Hearth is built on Debian 12; this system has no dpkg"
  local missing=() package
  for package in $(sed 's/#.*//' "$@"); do
    dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  say "Installing ${#missing[@]} packages: ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "${missing[@]}" >/dev/null || fail "packages could not be installed: ${missing[*]}"
}

# build_release [TARGET…]: the release in build/bin.
build_release() {
  [ -f build/build.ninja ] || cmake --preset release >build-configure.log 2>&1 ||
    { cat build-configure.log >&2; fail "configuring failed"; }
  mkdir -p build && [ -f build-configure.log ] && mv build-configure.log build/configure.log
  say "Building (the first time takes some minutes)"
  cmake --build build --target "$@" >build/build.log 2>&1 ||
    { grep -E -A8 'error|FAILED' build/build.log | head -60 >&2; fail "the build failed; build/build.log says all"; }
}
