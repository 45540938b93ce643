#!/bin/sh
# The second step of action.yml: becomes the guard, so that what the runner signals reaches it.
set -eu

refuse() {
  printf 'countersign: %s. Nothing was started\n' "$1" >&2
  exit 2
}

# A secret that was stored with the line end of its file.
token=$(printf %s "${COUNTERSIGN_TOKEN:-}" | tr -d '\r\n')
case ${COUNTERSIGN_FEDERATED:-false}:$token in
  true:) unset COUNTERSIGN_TOKEN ;;
  true:*) refuse 'there is a token, and the job is federated: one of them is too much' ;;
  false:) refuse 'there is no token: the secret is missing, or this run may not read it, as one for a fork; or the job wants `federated: true`' ;;
  # The runner masks what it gets on one line; anything else could show in part.
  false:*[!0-9A-Za-z_]*) refuse 'the token holds characters that no token has' ;;
  false:*)
    printf '::add-mask::%s\n' "$token"
    export COUNTERSIGN_TOKEN="$token"
    ;;
  *) refuse 'federated wants to be true or false' ;;
esac

[ -n "${COUNTERSIGN_URL:-}" ] || refuse 'there is no url: the variable is missing'
[ -n "${COUNTERSIGN_WORKFLOW:-}" ] || refuse 'there is no workflow'
[ -n "${COUNTERSIGN_RUN:-}" ] || refuse 'there is nothing to run'

script=${COUNTERSIGN_DIRECTORY:?}/run.sh
(umask 077 && printf '%s\n' "$COUNTERSIGN_RUN" >"$script")

guard=${COUNTERSIGN_COMMAND:?}
set -- "--workflow=$COUNTERSIGN_WORKFLOW" "--status-file=$COUNTERSIGN_DIRECTORY/status.json"
if [ "${COUNTERSIGN_FEDERATED:-false}" = true ]; then
  set -- "$@" --federated --platform=github_actions
  [ -z "${COUNTERSIGN_RULE:-}" ] || set -- "$@" "--rule=$COUNTERSIGN_RULE"
  [ -z "${COUNTERSIGN_AUDIENCE:-}" ] || set -- "$@" "--audience=$COUNTERSIGN_AUDIENCE"
else
  unset ACTIONS_ID_TOKEN_REQUEST_TOKEN ACTIONS_ID_TOKEN_REQUEST_URL
fi
[ -z "${COUNTERSIGN_REPOSITORY:-}" ] || set -- "$@" "--repository=$COUNTERSIGN_REPOSITORY"
[ -z "${COUNTERSIGN_REF:-}" ] || set -- "$@" "--ref=$COUNTERSIGN_REF"
[ -z "${COUNTERSIGN_ENVIRONMENT:-}" ] || set -- "$@" "--environment=$COUNTERSIGN_ENVIRONMENT"
set -f # a scope such as repo:* is no file name
for scope in ${COUNTERSIGN_SCOPES:-}; do set -- "$@" "--scope=$scope"; done

# As GitHub Actions runs a step: bash, and sh where there is none.
if command -v bash >/dev/null; then
  set -- "$@" -- bash --noprofile --norc -eo pipefail "$script"
else
  set -- "$@" -- sh -e "$script"
fi

# What the script prints is its output and no command to the runner. The word that would end this is nowhere to be read.
printf '::stop-commands::%s\n' "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"

# The script gets none of what would reach beyond its step: the environment and the outputs of the job, and the tokens
# of the job's own. What gives GitHub's tokens the guard keeps from it.
unset GITHUB_ENV GITHUB_PATH GITHUB_OUTPUT GITHUB_STATE
unset ACTIONS_RUNTIME_TOKEN COUNTERSIGN_FEDERATED COUNTERSIGN_RULE COUNTERSIGN_AUDIENCE
unset COUNTERSIGN_COMMAND COUNTERSIGN_DIRECTORY COUNTERSIGN_RUN COUNTERSIGN_WORKFLOW COUNTERSIGN_SCOPES
unset COUNTERSIGN_REPOSITORY COUNTERSIGN_REF COUNTERSIGN_ENVIRONMENT
exec "$guard" exec "$@"
