import { writeSync } from 'node:fs';
import { answerOf, spoken } from './answer.js';
import { askGuard } from './ask-guard.js';
import { type HookEventName, hookEventName } from './event-name.js';
import { readEvent } from './input.js';
import { denial, type Ruling } from './ruling.js';

/** How long a hook takes to answer at most, from the start of its process. Agents are given three times as much. */
const DEADLINE_SECONDS = 10;
const WRITE_LIMIT_MS = 1_000;
const RETRY_MS = 5;

interface HookArguments {
  readonly event: HookEventName | undefined;
  /** Speaks to the shell around it: says first which kind of answer it is, so that silence has a word of its own. */
  readonly isSealed: boolean;
  readonly deadlineSeconds: number;
  readonly fault: string | undefined;
}

/** The hook: reads one event from standard input, has the guard rule on it, and answers. Ends the process. Whatever goes
 *  wrong on the way is a denial; where the event's name is not known, that is exit code 2 with a reason, which blocks
 *  everything but the start of a session. */
export async function runHook(argv: readonly string[]): Promise<never> {
  const given = readArguments(argv);
  let event = given.event;
  let isAnswered = false;
  const answer = (ruling: Ruling): never => {
    if (isAnswered) process.exit();
    isAnswered = true;
    process.exit(event === undefined ? refuseUnknown(ruling) : say(event, ruling, given.isSealed));
  };
  const deny = (reason: string): never => answer(denial(reason));

  process.on('uncaughtException', (error) => deny(`the hook failed (${error.name})`));
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(name, () => deny(`the hook got ${name}`));
  process.on('exit', () => {
    if (!isAnswered) deny('the hook came to no answer');
  });
  const limitMs = given.deadlineSeconds * 1000 - performance.now();
  setTimeout(() => deny(`nothing was decided within ${given.deadlineSeconds} s`), Math.max(0, limitMs));

  try {
    // Before anything else: an agent that cannot write all of it takes the hook for failed and runs the tool.
    const read = await readEvent(process.stdin);
    if (read.ok) event ??= hookEventName(read.event['hook_event_name']);
    if (given.fault !== undefined) return deny(given.fault);
    if (!read.ok) return deny(read.detail);
    if (event === undefined) return deny('this event is not one that the hook knows');
    return answer(await rulingOn(event, read.event));
  } catch (error) {
    return deny(`the hook failed (${error instanceof Error ? error.name : 'unknown'})`);
  }
}

async function rulingOn(event: HookEventName, given: Readonly<Record<string, unknown>>): Promise<Ruling> {
  if (given['hook_event_name'] !== event) return denial(`the hook was set up for ${event} and was given another event`);
  const socketPath = process.env['COUNTERSIGN_GUARD_SOCKET'];
  if (!socketPath) return denial('there is no guard: start the agent with `countersign exec -- AGENT`');
  const canary = process.env['COUNTERSIGN_HOOK_CANARY'];
  return await askGuard(socketPath, { event: given, ...(canary ? { canary } : {}) });
}

/** Prints the answer to an event and gives the exit code. */
function say(event: HookEventName, ruling: Ruling, isSealed: boolean): number {
  const { stdout, stderr } = answerOf(event, ruling);
  const kind = ruling.verdict === 'deny' ? 'deny' : stdout === '' ? 'pass' : 'say';
  const line = isSealed ? `countersign ${kind} ${stdout}`.trim() : stdout;
  if (stderr !== '') print(2, stderr);
  if (line === '' || print(1, line)) return 0;
  // Nobody reads the JSON. The reason is on standard error; at a stop, exit code 2 would mean "go on".
  return event === 'Stop' ? 1 : 2;
}

/** Says no where the event, and with it the form of a denial, is not known. */
function refuseUnknown(ruling: Ruling): number {
  print(2, spoken(ruling.verdict === 'deny' ? ruling.reason : ''));
  return 2;
}

/** Writes a line to the end, also into a pipe that does not block. Gives whether all of it could be written. */
function print(fd: 1 | 2, text: string): boolean {
  let rest: Uint8Array = Buffer.from(`${text}\n`);
  const deadlineMs = performance.now() + WRITE_LIMIT_MS;
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      const isFull = error instanceof Error && 'code' in error && error.code === 'EAGAIN';
      if (!isFull || performance.now() > deadlineMs) return false;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
  return true;
}

function readArguments(argv: readonly string[]): HookArguments {
  let event: string | undefined;
  let deadline = String(DEADLINE_SECONDS);
  let isSealed = false;
  let fault: string | undefined;
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at];
    if (word === '--sealed') isSealed = true;
    else if (word === '--event') event = argv[++at] ?? '';
    else if (word === '--deadline-seconds') deadline = argv[++at] ?? '';
    else if (word !== '--json') fault = 'the hook was started with an option that it does not know';
  }
  const name = hookEventName(event);
  if (event !== undefined && name === undefined) fault ??= 'the hook was set up for an event that it does not know';
  const isTime = /^\d{1,3}(\.\d+)?$/.test(deadline) && Number(deadline) > 0;
  if (!isTime) fault ??= '--deadline-seconds wants seconds, such as 10';
  return { event: name, isSealed, deadlineSeconds: isTime ? Number(deadline) : DEADLINE_SECONDS, fault };
}
