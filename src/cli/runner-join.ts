import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import {
  type Client,
  createProver,
  type Enrolment,
  generateProofKey,
  isOutOfReach,
  ProblemError,
  type RedeemedRunner,
} from '../sdk/index.js';
import { readServiceUrl } from './connection.js';
import { HintedError } from './hinted-error.js';
import { messageView, print, say } from './output.js';
import { personText } from './people.js';
import { printable } from './printable.js';
import { qrCode } from './qr-code.js';
import { hostClient, readRunnerFile, runnerPath, writeRunnerFile } from './runner-file.js';
import { UsageError } from './usage-error.js';

export interface JoinFlags {
  name?: string;
  label?: string[];
  url?: string;
  json?: true;
}

/** Ten minutes for the approval, and ten to fetch what was approved. */
const LONGEST_WAIT_MS = 1_200_000;

/** `runner join`: makes a key on this host, shows a code, and waits until somebody approves it. */
export async function joinRunner(flags: JoinFlags): Promise<number> {
  const url = await readServiceUrl(
    flags.url === undefined ? process.env : { ...process.env, COUNTERSIGN_URL: flags.url },
  );
  const path = runnerPath(process.env, url);
  const known = await readRunnerFile(path, url);
  if (known?.runner) {
    throw new UsageError(
      `this host is the runner ${printable(known.runner.name)} already. To enrol it anew: countersign runner leave`,
    );
  }
  // Before anything is asked, so that no approval is for a key that could not be kept.
  const key = known?.key ?? (await generateProofKey());
  await writeRunnerFile(path, { url, key });
  const client = hostClient(url, { prover: await createProver(key) });
  const enrolment = await client.enrolments.enrol({ name: flags.name ?? hostName(), labels: flags.label ?? [] });
  if (flags.json) print(JSON.stringify({ event: 'waiting', ...enrolment }));
  else await showCode(url, enrolment);

  const { runner, token, expires_at } = await approval(client, enrolment);
  await writeRunnerFile(path, { url, key, runner: { id: runner.id, name: runner.name, token, expires_at } });
  if (flags.json) print(JSON.stringify({ event: 'joined', runner, expires_at, file: path }));
  else {
    say(`This host is the runner ${printable(runner.name)} (${runner.id}) now, until ${expires_at}.`);
    say(
      `Approved by ${printable(personText(runner.approved_by))}. If you do not know who that is: countersign runner leave`,
    );
    say(`Its key and its token are in ${printable(path)}. \`countersign exec\` uses them from now on.`);
  }
  return 0;
}

/** The name of this machine in the alphabet of runner names. */
function hostName(): string {
  const name = hostname()
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, '-')
    .slice(0, 64);
  const trimmed = name.replace(/^[._-]+|[._-]+$/g, '');
  if (trimmed === '') throw new UsageError('this machine has no name to use: give --name');
  return trimmed;
}

async function showCode(url: string, enrolment: Enrolment): Promise<void> {
  const view = messageView();
  const code = printable(enrolment.user_code);
  say(`To make this host a runner of ${printable(url)}, somebody who may approve it runs:\n`);
  say(`  countersign runner approve ${code}\n`);
  say(`and compares the thumbprint of its key: ${printable(enrolment.thumbprint)}`);
  say(`How that goes: ${printable(enrolment.verification_uri)}`);
  // The code stands behind the #, which no browser sends: it gets into nobody's log.
  if (view.isTerminal) say(`\n${await qrCode(`${enrolment.verification_uri}#${enrolment.user_code}`, view.hasColour)}`);
  say(`\nWaiting; the code is good until ${printable(enrolment.expires_at)}.`);
}

/** Asks until it is approved. A service that is out of reach for a while is asked again, as long as anything could have been
 *  approved; an answer that was lost is given again. */
async function approval(client: Client, { id, interval_seconds }: Enrolment): Promise<RedeemedRunner> {
  // Not by what the service says: this host's clock may be another.
  const giveUpAt = performance.now() + LONGEST_WAIT_MS;
  for (;;) {
    let seconds = interval_seconds;
    try {
      const answer = await client.enrolments.redeem(id);
      if ('token' in answer) return answer;
      seconds = answer.interval_seconds;
    } catch (error) {
      if (!isOutOfReach(error)) throw whyNot(error);
      if (error instanceof ProblemError) seconds = Math.max(seconds, error.retryAfterSeconds ?? 0);
      if (performance.now() > giveUpAt) throw error;
    }
    await pause(seconds * 1000);
  }
}

function whyNot(error: unknown): unknown {
  if (!(error instanceof ProblemError) || error.problem?.code !== 'enrolment_state') return error;
  return new HintedError(error, 'Start anew with `countersign runner join`.');
}
