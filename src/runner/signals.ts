import type { Job } from './process.js';

const PASSED: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'];

/** Passes the guard's signals on to the job until the returned function is called. */
export function passSignals(job: Job): () => void {
  const pass = (name: NodeJS.Signals) => job.signal(name);
  for (const name of PASSED) process.on(name, pass);
  const suspend = () => suspendBoth(job);
  process.on('SIGTSTP', suspend);
  // On a terminal the job must have that back before it wakes, or it would stop again as it reads.
  const wake = () => (job.hasTerminal ? job.resume() : job.signal('SIGCONT'));
  process.on('SIGCONT', wake);
  return () => {
    for (const name of PASSED) process.off(name, pass);
    process.off('SIGTSTP', suspend);
    process.off('SIGCONT', wake);
  };
}

// A job without a terminal leads a session of its own, where the kernel ignores SIGTSTP unless the program handles it.
// SIGSTOP is not ignored. SIGCONT wakes the guard, which passes it on. On a terminal the guard follows when it hears that
// the job was stopped.
function suspendBoth(job: Job): void {
  job.signal('SIGTSTP');
  job.signal('SIGSTOP');
  if (!job.hasTerminal) process.kill(process.pid, 'SIGSTOP');
}
