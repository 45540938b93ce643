/** The supervisor's program. It runs in every perl since 5.10 with no more than the modules of a minimal system.
 *
 *  Its arguments: the number of `prctl` here, whether the job keeps the terminal, and the command. It talks with the guard
 *  on descriptor 3. It is told the job's environment first (its length, a line end, `NAME=value` each with a NUL behind);
 *  its own is bare, so that it does not count as one of the job. Then words, a line each:
 *  - from the guard: `go` with the job's cgroup or nothing opens the gate; `beat` is the guard's sign of life; `fg` gives
 *    the terminal to the job, if it is the guard's to give, and wakes the job; `kill` ends every process of the job
 *  - to the guard: `up` with the number of the process that waits behind the gate and becomes the command; `stopped` when
 *    that process was stopped on the terminal; `end` with its wait status
 *
 *  When the guard's end of the descriptor closes, every process of the job is killed, whatever it did to hide: an orphan
 *  of the job becomes a child of the supervisor (PR_SET_CHILD_SUBREAPER). When the supervisor is killed itself, the
 *  kernel kills the command (PR_SET_PDEATHSIG). A guard that gives no sign of life for 5 s is stopped or hangs: then the
 *  job stands still until there is one. */
export const SUPERVISOR_SCRIPT = String.raw`
use strict;
use POSIX qw(:sys_wait_h);
my ($prctl, $is_terminal, @command) = @ARGV;
my ($HANG_S, $SWEEP_S) = (5, 5);
my @SIGNALS = qw(HUP INT QUIT TERM TSTP TTIN TTOU USR1 USR2 PIPE);
$0 = 'countersign-supervisor';
open(my $guard, '+<&=', 3) or exit 70;
syscall($prctl + 0, 36, 1, 0, 0, 0) == 0 or exit 70;

my $in = '';
sub read_more {
  my $got = sysread($guard, $in, 65536, length $in);
  return defined $got ? $got : $!{EINTR};
}
sub now { (POSIX::times())[0] / POSIX::sysconf(POSIX::_SC_CLK_TCK()) }
sub tell_guard { syswrite($guard, "$_[0]\n") }

my $size;
until (($size) = $in =~ /\A(\d+)\n/) { read_more() or exit 70 }
substr($in, 0, length($size) + 1, '');
while (length($in) < $size) { read_more() or exit 70 }
my %env = map { split /=/, $_, 2 } split /\0/, substr($in, 0, $size, '');

$SIG{$_} = 'IGNORE' for @SIGNALS;
$SIG{CHLD} = sub { };
pipe(my $gate_in, my $gate_out) or exit 70;
my $leader = fork();
defined $leader or exit 70;
become_command() if $leader == 0;
POSIX::setpgid($leader, $leader) if $is_terminal;
close $gate_in;
for my $fd ($is_terminal ? (1, 2) : (0, 1, 2)) {
  my $null = POSIX::open('/dev/null', POSIX::O_RDWR());
  POSIX::dup2($null, $fd);
  POSIX::close($null);
}
my ($is_open, $cgroup, $status, $has_given, $is_frozen, %frozen);
my $last_beat = my $last_look = now();
tell_guard("up $leader");

while (1) {
  reap();
  vec(my $ready = '', 3, 1) = 1;
  if (select($ready, undef, undef, 1) > 0) {
    read_more() or finish();
    obey("$1") while $in =~ s/\A(.*)\n//;
  }
  my $now = now();
  # Who was stopped with the guard has not listened.
  $last_beat = $now if $now - $last_look > 2;
  $last_look = $now;
  freeze() if $is_open && !$is_frozen && $now - $last_beat > $HANG_S;
}

sub become_command {
  syscall($prctl + 0, 1, 9, 0, 0, 0);
  $is_terminal ? POSIX::setpgid(0, 0) : POSIX::setsid();
  close $gate_out;
  my $got;
  do { $got = sysread($gate_in, my $word, 1) } until defined $got || !$!{EINTR};
  POSIX::_exit(77) unless $got;
  POSIX::close(3);
  $SIG{$_} = 'DEFAULT' for @SIGNALS, 'CHLD';
  %ENV = %env;
  { no warnings; exec { $command[0] } @command; }
  my $code = $!{ENOENT} ? 127 : 126;
  syswrite(STDERR, "countersign: $command[0]: $!\n");
  POSIX::_exit($code);
}

sub obey {
  my ($word, $rest) = split / /, $_[0], 2;
  if ($word eq 'go') {
    $cgroup = $rest if length($rest || '');
    $is_open = 1;
    $last_beat = now();
    give_terminal();
    syswrite($gate_out, 'g');
    close $gate_out;
  }
  elsif ($word eq 'beat') { $last_beat = now(); thaw() if $is_frozen }
  elsif ($word eq 'fg') { give_terminal(); kill 'CONT', -$leader unless defined $status }
  elsif ($word eq 'kill') { sweep() }
}

sub give_terminal {
  return unless $is_terminal && !defined $status;
  $has_given = POSIX::tcsetpgrp(0, $leader) if POSIX::tcgetpgrp(0) == POSIX::getpgrp();
}

# A job in the background has nothing to give back: the terminal is the shell's.
sub take_terminal {
  POSIX::tcsetpgrp(0, POSIX::getpgrp()) if $has_given;
  $has_given = 0;
}

# Gives whether there may be more children.
sub reap {
  my $pid;
  while (($pid = waitpid(-1, WNOHANG | ($is_terminal ? WUNTRACED : 0))) > 0) {
    next if $pid != $leader;
    # An end has taken it away; a stop has not, and perl has no status for it.
    my $is_stop = -e "/proc/$leader";
    # That stop was the supervisor's own doing.
    next if $is_stop && $is_frozen;
    take_terminal();
    $status = $? unless $is_stop;
    tell_guard($is_stop ? 'stopped' : "end $?");
  }
  return $pid == 0;
}

# Every descendant: number, state and group of each.
sub descendants {
  my (%children, @found);
  opendir(my $proc, '/proc') or return;
  for my $pid (grep { /\A\d+\z/ } readdir $proc) {
    open(my $file, '<', "/proc/$pid/stat") or next;
    my $line = do { local $/; <$file> };
    defined $line && $line =~ /.*\) (\S) (\d+) (\d+)/s or next;
    push @{ $children{$2} }, [$pid, $1, $3];
  }
  my @parents = ($$);
  while (defined(my $parent = shift @parents)) {
    for my $one (@{ $children{$parent} || [] }) {
      push @found, $one;
      push @parents, $one->[0];
    }
  }
  return @found;
}

sub put {
  my ($file, $text) = @_;
  open(my $out, '>', "$cgroup/$file") or return 0;
  return defined syswrite($out, $text);
}

sub sweep {
  thaw() if $is_frozen;
  my $end = now() + $SWEEP_S;
  while (now() < $end) {
    put('cgroup.kill', 1) if defined $cgroup;
    my @found = grep { $_->[1] ne 'Z' } descendants();
    kill 'KILL', -$leader if grep { $_->[2] == $leader } @found;
    kill 'KILL', map { $_->[0] } @found;
    return unless reap();
    select(undef, undef, undef, 0.002);
  }
}

sub finish {
  sweep();
  rmdir $cgroup if defined $cgroup;
  POSIX::_exit(0);
}

sub freeze {
  $is_frozen = 1;
  return if defined $cgroup && put('cgroup.freeze', 1);
  for my $one (grep { $_->[1] !~ /[TtZ]/ } descendants()) {
    $frozen{ $one->[0] } = 1 if kill 'STOP', $one->[0];
  }
}

sub thaw {
  $is_frozen = 0;
  put('cgroup.freeze', 0) if defined $cgroup;
  kill 'CONT', keys %frozen;
  %frozen = ();
}
`;
