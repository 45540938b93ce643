import { answerOf } from './answer.js';
import type { HookEventName } from './event-name.js';
import { denial } from './ruling.js';

/** Marks a command line as Countersign's own, so that it is found again. */
export const HOOK_MARK = 'countersign-hook';

/** How long things may take, in seconds. The hook answers within `deadline`; the shell ends it after `run`, and drains
 *  standard input for `drain` at most. The agent is given {@link AGENT_TIMEOUT_SECONDS}, more than all of it. */
export interface HookLimits {
  readonly deadline: number;
  readonly run: number;
  readonly drain: number;
}

export const HOOK_LIMITS: HookLimits = { deadline: 10, run: 15, drain: 5 };
/** The limit that the agent is given for each hook, in seconds. */
export const AGENT_TIMEOUT_SECONDS = 30;

/** Exit codes of a denial. Where 2 blocks, the shell says 2 beside the JSON: a login profile that writes to standard
 *  output makes the JSON unreadable, and the tool would run. At the start 2 blocks nothing, and at a stop it means
 *  "go on". */
const DENIAL_CODES: Record<HookEventName, 0 | 2> = {
  SessionStart: 0,
  UserPromptSubmit: 2,
  PreToolUse: 2,
  PermissionRequest: 2,
  PostToolUse: 2,
  Stop: 0,
};

// Arguments: the exit code of a denial, the denial, the limits of the run and the drain, then the hook's command. What the hook prints in its sealed form is
// the only thing that is believed; it may have crashed, hung, or never have started, and then the denial at hand is said.
// Whoever writes to standard input must not find it closed before all was written: that would be a failed hook as well.
// What the system has comes first: a checkout may have put itself into the path, with a `timeout` of the agent's making.
// On one line and without a single quote, so that every login shell passes it on as it is.
const SCRIPT = `
PATH=/usr/bin:/bin:$PATH;
if true 2>/dev/null 3<&0; then exec 3<&0; else exec 0</dev/null 3<&0; fi;
trap "" PIPE;
limit() {
s=$1; shift;
if command -v timeout >/dev/null 2>&1; then timeout -s KILL "$s" "$@"; return; fi;
"$@" <&3 & p=$!;
(sleep "$s" & z=$!; trap "kill $z; exit" TERM; wait $z; kill -9 $p) </dev/null >/dev/null 2>&1 & w=$!;
wait $p; c=$?; kill $w 2>/dev/null; return $c;
};
deny() {
printf "%s\\n" "$d" || { test "$x" = 0 && x=1; };
printf "%s\\n" "countersign: denied" >&2 || x=0;
limit "$n" cat >/dev/null 2>&1;
exit "$x";
};
x=$1; d=$2; t=$3; n=$4; shift 4;
trap deny TERM INT HUP;
o=$(limit "$t" "$@"); c=$?;
case "$c:$o" in
"0:countersign pass") exit 0;;
"0:countersign say {"*"}") printf "%s\\n" "\${o#countersign say }"; exit;;
"0:countersign deny {"*"}") d="\${o#countersign deny }"; deny;;
esac;
deny`
  .trim()
  .replaceAll('\n', ' ');

/** The command line that agents get for an event: a shell that runs the hook and denies when the hook cannot. `node` and
 *  `program` are absolute paths. */
export function hookCommand(event: HookEventName, node: string, program: string, limits = HOOK_LIMITS): string {
  const lastWord = denial('the hook did not come to an answer: it could not be started, crashed, or took too long');
  const { stdout } = answerOf(event, lastWord);
  const first = [DENIAL_CODES[event], stdout, limits.run, limits.drain];
  const hook = [node, program, 'hook', '--event', event, '--deadline-seconds', limits.deadline, '--sealed'];
  return ['/bin/sh', '-c', quoted(SCRIPT), HOOK_MARK, ...[...first, ...hook].map(String).map(quoted)].join(' ');
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
