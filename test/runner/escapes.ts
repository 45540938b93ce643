import type { Containment } from '../../src/runner/containment.js';

/** What a command may start so that it is not found. Each of them lives in a directory of its own, by which the test
 *  finds it whatever it calls itself and in whatever namespace. */
export const HIDERS = {
  child: 'sleep 1000 &',
  'ignores SIGTERM': `sh -c 'trap "" TERM HUP INT; while :; do sleep 1; done' &`,
  'forks twice': '(sleep 1000 &)',
  'makes its own session': 'setsid sleep 1000 &',
  'closes all its descriptors': 'sleep 1000 <&- >&- 2>&- &',
  'calls itself something else': `perl -e '$0 = "[kworker/0:0]"; sleep 1000' &`,
  'clears its environment': 'env -i sleep 1000 &',
  'is stopped': 'sleep 1000 & kill -STOP $!',
  'forks in a storm': `perl -e 'fork; fork; while (1) { exit select(undef, undef, undef, 0.1) if !fork; 1 while waitpid(-1, 1) > 0; select(undef, undef, undef, 0.01) }' &`,
  'does all of that at once': `setsid env -i perl -e '$0 = "init"; $SIG{$_} = "IGNORE" for qw(TERM HUP INT); exit if fork; close $_ for *STDIN, *STDOUT, *STDERR; sleep 1000 while 1'`,
  'moves to a new process and session every few milliseconds': `env -i perl -MPOSIX -e 'while (1) { exit if fork; POSIX::setsid(); select(undef, undef, undef, 0.004) }' &`,
} as const;
export type Hider = keyof typeof HIDERS;

export const ALL = Object.keys(HIDERS) as Hider[];
/** Those that neither left group and session nor lost the check's id, or only one of these. */
const MARKED = ALL.filter((one) => one !== 'does all of that at once' && !one.startsWith('moves'));

/** Why the job ends: its right, its command, or the death of those who guard it. */
type End = 'revoked' | 'own end' | readonly ('guard' | 'watchdog' | 'supervisor')[];

/** What must be held of the job at each end, in each containment. `command`: the command itself. */
export const ENDS: readonly (readonly [
  containment: Containment,
  title: string,
  end: End,
  held: readonly Hider[] | 'command',
])[] = [
  ['process-group', 'the right ends', 'revoked', MARKED],
  ['process-group', 'the command ends', 'own end', MARKED],
  ['process-group', 'the guard is killed', ['guard'], MARKED],
  ['subreaper', 'the right ends', 'revoked', ALL],
  ['subreaper', 'the command ends', 'own end', ALL],
  ['subreaper', 'the guard is killed', ['guard'], ALL],
  ['subreaper', 'guard and watchdog are killed at once', ['guard', 'watchdog'], ALL],
  ['subreaper', 'the supervisor is killed', ['supervisor'], MARKED],
  ['subreaper', 'guard and supervisor are killed at once', ['guard', 'supervisor'], MARKED],
  ['subreaper', 'all three are killed at once', ['guard', 'watchdog', 'supervisor'], 'command'],
  ['cgroup', 'the right ends', 'revoked', ALL],
  ['cgroup', 'the command ends', 'own end', ALL],
  ['cgroup', 'the guard is killed', ['guard'], ALL],
  ['cgroup', 'guard and watchdog are killed at once', ['guard', 'watchdog'], ALL],
  ['cgroup', 'the supervisor is killed', ['supervisor'], ALL],
  ['cgroup', 'guard and supervisor are killed at once', ['guard', 'supervisor'], ALL],
  ['cgroup', 'all three are killed at once', ['guard', 'watchdog', 'supervisor'], 'command'],
  ['pid-namespace', 'the right ends', 'revoked', ALL],
  ['pid-namespace', 'the command ends', 'own end', ALL],
  ['pid-namespace', 'the guard is killed', ['guard'], ALL],
  ['pid-namespace', 'the supervisor is killed', ['supervisor'], ALL],
  ['pid-namespace', 'all three are killed at once', ['guard', 'watchdog', 'supervisor'], ALL],
];
