import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { findInterpreter } from '../../src/runner/supervisor.js';
import { eventually, ground, guardArguments, Sink } from './harness.js';

const CAN_SCRIPT = findInterpreter() !== undefined && existsSync('/usr/bin/script') && existsSync('/bin/bash');

/** A command that tells what it sees of its terminal. */
const JOB = `
use POSIX; $| = 1;
$SIG{WINCH} = sub { print 'size:', \`stty size\` };
$SIG{INT} = sub { print "interrupted:\\n" };
my $has_tty = open(my $tty, '+<', '/dev/tty') ? 'yes' : 'no';
print "foreground:", (POSIX::tcgetpgrp(0) == getpgrp() ? 'yes' : 'no'), " dev-tty:$has_tty on:", POSIX::ttyname(0), "\\n";
while (1) {
  my $got = sysread(STDIN, my $line, 100);
  next unless defined $got;
  last if $got == 0 || $line =~ /bye/;
  if ($line =~ /raw/) { system 'stty -icanon -echo'; print "raw:done\\n" }
  print "read:$line";
}
exit 9;
`;

/** A shell with job control on a terminal of its own, in which `guard` starts the guard with the job. */
async function shellOnTerminal(mask: boolean) {
  const { service, directory } = await ground(onTestFinished);
  const job = join(directory, 'job.pl');
  writeFileSync(job, JOB);
  const { path, args, env } = guardArguments(service, { mask }, ['perl', job]);
  const quoted = [path, ...args].map((word) => `'${word}'`).join(' ');
  const guard = join(directory, 'guard');
  writeFileSync(guard, `exec ${quoted}\n`);
  const child = spawn('/usr/bin/script', ['-qfec', 'bash --norc --noprofile -i', '/dev/null'], {
    env: { ...env, TERM: 'dumb', SHELL: '/bin/bash' },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const screen = new Sink();
  child.stdout.pipe(screen);
  onTestFinished(() => void child.kill('SIGKILL'));
  await screen.shows('bash-');
  const type = (text: string) => void child.stdin.write(text);
  /** Types `fg` and waits until the shell has said whom it gives the terminal to: it may read ahead until then. */
  const bringBack = async () => {
    const said = () => screen.text.split(`sh ${guard}`).length;
    const before = said();
    type('fg\n');
    await eventually(() => said() > before || undefined);
  };
  return { service, guard, screen, type, bringBack, left: once(child, 'exit') };
}

describe.runIf(CAN_SCRIPT)('a command that is started from a terminal', () => {
  test.for([true, false])('keeps it, mask %s: foreground, size, Ctrl-C, Ctrl-Z and fg', async (mask) => {
    const { guard, screen, type, bringBack, left } = await shellOnTerminal(mask);
    type(`sh ${guard}\n`);
    await screen.shows('foreground:yes dev-tty:yes');
    const name = /on:(\/dev\/\S+)/.exec(screen.text)?.[1] ?? '';
    spawnSync('stty', ['-F', name, 'rows', '33', 'cols', '99']);
    await screen.shows('size:33 99');
    type('\u0003');
    await screen.shows('interrupted:');
    type('one\n');
    await screen.shows('read:one');
    type('\u001a');
    await screen.shows('Stopped');
    type('echo shell is $((40 + 2))\n');
    await screen.shows('shell is 42');
    await bringBack();
    type('two\n');
    await screen.shows('read:two');
    type('bye\n');
    type('echo code is $?\n');
    await screen.shows('code is 9');
    type('exit\n');
    expect((await left)[0]).toBe(0);
  });

  test('stops when it reads in the background, and goes on with fg', async () => {
    const { guard, screen, type, bringBack, left } = await shellOnTerminal(false);
    type(`sh ${guard} &\n`);
    await screen.shows('foreground:no');
    // The shell tells of it at its next prompt.
    await eventually(() => {
      type('\n');
      return screen.text.includes('Stopped') || undefined;
    });
    await bringBack();
    type('three\n');
    await screen.shows('read:three');
    type('bye\n');
    type('echo code is $?\n');
    await screen.shows('code is 9');
    type('exit\n');
    expect((await left)[0]).toBe(0);
  });

  test('gives it back to the shell when its right ends, as it was', async () => {
    const { service, guard, screen, type, left } = await shellOnTerminal(false);
    type(`sh ${guard}\n`);
    const watch = await service.watched();
    await screen.shows('foreground:yes');
    type('raw\n');
    await screen.shows('raw:done');
    watch.write('event: revoked\n\n');
    await screen.shows('stopping the command (revoked)');
    await eventually(() => screen.text.split('bash-').length > 2 || undefined);
    type('echo code is $?\n');
    await screen.shows('code is 77');
    type("echo mode:$(stty -a | tr ' ;' '\\n\\n' | grep icanon)\n");
    await screen.shows('mode:icanon');
    type('exit\n');
    expect((await left)[0]).toBe(0);
  });
});
