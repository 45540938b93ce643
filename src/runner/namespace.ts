import { spawnSync } from 'node:child_process';

const KILLED_WITH_IT = ['--pid', '--fork', '--kill-child', '--mount-proc'];
const AS_ANY_USER = ['--user', '--map-current-user'];

// The first process of a namespace. Whatever the namespace's processes leave behind is its to reap, and signals that it
// does not handle do not reach it, so that it cannot be the command itself.
const INIT = String.raw`
$0 = 'countersign-init';
my $command = fork();
exit 126 unless defined $command;
if ($command == 0) {
  $SIG{$_} = 'DEFAULT' for qw(HUP INT QUIT TERM TSTP TTIN TTOU USR1 USR2 PIPE);
  { no warnings; exec { $ARGV[0] } @ARGV; }
  my $code = $! == 2 ? 127 : 126;
  syswrite(STDERR, "countersign: $ARGV[0]: $!\n");
  exit $code;
}
while ((my $pid = wait()) > 0) {
  exit($? & 127 ? 128 + ($? & 127) : $? >> 8) if $pid == $command;
}`;

// The one that waits outside of the namespace must not be ended by a signal to the job: the kernel would kill the whole
// namespace at once, and nothing could clean up.
const OUTSIDE = `trap '' HUP INT QUIT TERM USR1 USR2; exec "$@"`;

/** The command that runs another one in a process namespace of its own, by way of that perl. When the outermost process is killed, so is
 *  everything in it. A signal that ends the command shows as 128 and its number. */
export function inNamespace(command: readonly string[], perl: string): string[] {
  return ['/bin/sh', '-c', OUTSIDE, 'sh', 'unshare', ...flags(), '--', perl, '-e', INIT, ...command];
}

/** Why no namespace can be made here, if so. */
export function whyNoNamespace(): string | undefined {
  const { status, error, stderr } = spawnSync('unshare', [...flags(), '--', 'true'], { encoding: 'utf8' });
  if (error !== undefined) return error.message;
  return status === 0 ? undefined : stderr.trim() || `unshare ended with ${status}`;
}

function flags(): string[] {
  return process.getuid?.() === 0 ? KILLED_WITH_IT : [...AS_ANY_USER, ...KILLED_WITH_IT];
}
