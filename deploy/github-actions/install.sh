#!/bin/sh
# The first step of action.yml: a directory for this run, and the guard's command.
set -eu
directory=$(mktemp -d "${RUNNER_TEMP:?}/countersign.XXXXXX")
# Before anything can fail: the last step removes it.
printf 'directory=%s\n' "$directory" >>"${GITHUB_OUTPUT:?}"
mkdir "$directory/guard"
command=$(sh "${GITHUB_ACTION_PATH:?}/../ci/install.sh" "$directory/guard")
printf 'command=%s\n' "$command" >>"$GITHUB_OUTPUT"
