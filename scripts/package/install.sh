#!/bin/sh
# Installs Chloe @VERSION@ for macOS and Linux, into /usr/local for root, else into ~/.local:
#
#   curl -fsSL @DOWNLOADS@/v@VERSION@/install.sh | sh
#
# PREFIX is another place, CHLOE_VERSION another version, CHLOE_DOWNLOADS where archives are fetched from.
# Nothing is put in place before it was checked; then one file is, PREFIX/bin/chloe, by a rename.
set -eu

# All in a function: a script that was cut off on its way here does nothing at all.
main() {
  case ${1:-} in
    "") ;;
    -h | --help)
      usage
      return
      ;;
    *) fail "it takes no arguments, but PREFIX, CHLOE_VERSION and CHLOE_DOWNLOADS from the environment" ;;
  esac
  version=${CHLOE_VERSION:-@VERSION@}
  downloads=${CHLOE_DOWNLOADS:-@DOWNLOADS@}
  if [ -z "${PREFIX:-}" ]; then
    if [ "$(id -u)" -eq 0 ]; then PREFIX=/usr/local; else PREFIX=${HOME:?}/.local; fi
  fi
  place=$PREFIX/bin/chloe

  target=$(target_of "$(uname -s)" "$(uname -m)") ||
    fail "there is no Chloe for $(uname -s) on $(uname -m), only for Linux (glibc) and macOS on x86_64 and arm64"
  if [ -d "$place" ]; then fail "$place is a folder: choose another place with PREFIX"; fi

  name=chloe-$version-$target
  work=$(mktemp -d)
  new=$PREFIX/bin/.chloe.$$.new
  trap 'rm -rf "$work" "$new"' EXIT
  trap 'exit 1' HUP INT TERM

  fetch "$downloads/v$version/$name.tar.gz.sha256" "$work/sum" ||
    fail "no $name.tar.gz.sha256 at $downloads/v$version: is there a version $version?"
  fetch "$downloads/v$version/$name.tar.gz" "$work/archive" ||
    fail "$name.tar.gz did not come whole from $downloads/v$version: try again"
  expected=$(cut -d ' ' -f 1 <"$work/sum")
  case $expected in
    *[!0-9a-f]* | "") fail "what came as $name.tar.gz.sha256 is no sum" ;;
  esac
  found=$(sum_of "$work/archive")
  [ "$found" = "$expected" ] ||
    fail "the sum of $name.tar.gz is $found, not $expected: it was cut off or changed on its way"

  tar -xzf "$work/archive" -C "$work" "$name/chloe" || fail "there is no $name/chloe in the archive"
  line=$("$work/$name/chloe" --version 2>/dev/null) ||
    fail "the program does not run on this machine: Linux needs glibc 2.27 or later"
  { mkdir -p "$PREFIX/bin" && cp "$work/$name/chloe" "$new" && chmod 0755 "$new"; } 2>/dev/null ||
    fail "no right to write to $PREFIX/bin, or no room there: choose another place with PREFIX, or be root"
  before=$("$place" --version 2>/dev/null) || before=
  mv -f "$new" "$place"

  if [ -n "$before" ]; then echo "$place: $line (was: $before)"; else echo "$place: $line"; fi
  case :$PATH: in
    *":$PREFIX/bin:"*) ;;
    *) echo "Add $PREFIX/bin to your PATH to call it as chloe." ;;
  esac
  if [ -n "$before" ]; then echo "A server that runs goes on as it was until: chloe restart"; fi
  echo "Next: chloe secret > chloe.toml, then: chloe start"
}

usage() {
  echo "Usage: [VARIABLE=VALUE] sh install.sh: installs Chloe, as PREFIX/bin/chloe"
  echo
  echo "  PREFIX           where: /usr/local for root, else ~/.local"
  echo "  CHLOE_VERSION    which: @VERSION@"
  echo "  CHLOE_DOWNLOADS  from where: @DOWNLOADS@"
}

fail() {
  echo "install.sh: Cannot install Chloe: $1" >&2
  echo "install.sh: Nothing was changed." >&2
  exit 1
}

target_of() {
  case $1-$2 in
    Linux-x86_64 | Linux-amd64) echo x86_64-unknown-linux-gnu ;;
    Linux-aarch64 | Linux-arm64) echo aarch64-unknown-linux-gnu ;;
    Darwin-x86_64) echo x86_64-apple-darwin ;;
    Darwin-arm64) echo aarch64-apple-darwin ;;
    *) return 1 ;;
  esac
}

# An answer that is no 2xx, or ends early, is a failure.
fetch() {
  if command -v curl >/dev/null 2>&1; then
    curl -fsSL --retry 2 -o "$2" "$1"
  elif command -v wget >/dev/null 2>&1; then
    wget -q -O "$2" "$1"
  else
    fail "there is neither curl nor wget"
  fi
}

sum_of() {
  if command -v sha256sum >/dev/null 2>&1; then
    sha256sum "$1" | cut -d ' ' -f 1
  elif command -v shasum >/dev/null 2>&1; then
    shasum -a 256 "$1" | cut -d ' ' -f 1
  elif command -v openssl >/dev/null 2>&1; then
    openssl dgst -sha256 -r "$1" | cut -d ' ' -f 1
  else
    fail "there is no sha256sum, shasum or openssl to check the download with"
  fi
}

main "$@"
