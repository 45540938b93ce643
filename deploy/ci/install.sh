#!/bin/sh
# Finds or installs the guard for a CI job, and prints the path of its command on standard output. Whatever goes wrong
# ends it with 69 (2: a value that it cannot take) and prints no path: a job never goes on without its guard.
#   COUNTERSIGN_PACKAGE  what npm installs: a package's name, or the https address or absolute path of what `npm pack`
#                        wrote. Without it the countersign on the PATH is taken
#   COUNTERSIGN_VERSION  the exact version. A package needs it, and what was installed or found has to be of it
# Argument: an empty directory that is this job's alone, to install into.
set -eu
# Neither npm nor the look at the version has any use for them.
unset COUNTERSIGN_TOKEN COUNTERSIGN_TOKEN_FILE COUNTERSIGN_ID_TOKEN COUNTERSIGN_ID_TOKEN_FILE
unset ACTIONS_ID_TOKEN_REQUEST_TOKEN ACTIONS_ID_TOKEN_REQUEST_URL BUILDKITE_AGENT_ACCESS_TOKEN

package=${COUNTERSIGN_PACKAGE:-}
version=${COUNTERSIGN_VERSION:-}

fail() {
  printf 'countersign: %s. Nothing was started\n' "$2" >&2
  exit "$1"
}

# A pattern for the whole of a text. A text of several lines has none.
matches() {
  case $1 in *'
'*) return 1 ;; esac
  printf '%s\n' "$1" | LC_ALL=C grep -Eqx -e "$2"
}

if [ -n "$version" ] && ! matches "$version" '[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?'; then
  fail 2 'the version wants to be exact, such as 1.2.3'
fi

if [ -z "$package" ]; then
  command=$(command -v countersign) || fail 69 'there is no countersign on the PATH, and no package to install it from'
  case $command in
    /*) ;;
    # A relative entry of the PATH leads into the checkout, which is not the one to bring the guard.
    *) fail 69 'the countersign on the PATH is not at an absolute path' ;;
  esac
else
  [ -n "$version" ] || fail 2 'a package needs an exact version beside it'
  case $package in
    https://*) spec=$package ;;
    /*)
      [ -f "$package" ] || fail 69 'there is no file at the path of the package'
      spec=$package
      ;;
    *)
      matches "$package" '(@[a-z0-9][a-z0-9._~-]*/)?[a-z0-9][a-z0-9._~-]*' ||
        fail 2 'the package wants to be a name, an https address or an absolute path'
      spec=$package@$version
      ;;
  esac
  # From within the directory and for it: an .npmrc of the checkout is not read, and cannot name another registry.
  (
    cd -- "$1" &&
      npm install --prefix "$1" --ignore-scripts --engine-strict --no-save --no-package-lock --no-audit --no-fund \
        --no-update-notifier --loglevel=error -- "$spec" </dev/null >&2
  ) || fail 69 'the package could not be installed'
  command=$1/node_modules/.bin/countersign
fi

found=$("$command" --version </dev/null) || fail 69 'the countersign that was found does not run here'
if [ -n "$version" ] && [ "$found" != "$version" ]; then
  fail 69 "the countersign that was found is another version than $version"
fi
printf '%s\n' "$command"
