import { brokenLink } from '../rules/audit.js';
import { type AuditEvent, type Client, everyPage } from '../sdk/index.js';
import { type CheckpointClaims, readCheckpoint } from './checkpoint.js';
import { clientFor } from './client.js';
import { readSignedIn } from './connection.js';
import { outputView, paint, print, printJson, say } from './output.js';
import { printable } from './printable.js';
import { UsageError } from './usage-error.js';

export interface VerifyFlags {
  checkpoint?: string;
  jwks?: string;
  json?: true;
}

type Head = Pick<AuditEvent, 'seq' | 'hash'>;
/** What a walk along the chain found. `seq` of a broken chain is where it does not hold. */
type Verdict =
  | { isWhole: true; events: number; head: Head | undefined }
  | { isWhole: false; seq: number; fault: string };

/** `audit verify`: recomputes the chain from its first event. With a checkpoint the chain must also still hold the event
 *  that was signed then, so that a log which was cut or written anew shows. */
export async function verifyTrail(flags: VerifyFlags): Promise<number> {
  if (flags.jwks !== undefined && flags.checkpoint === undefined) {
    throw new UsageError('--jwks goes with --checkpoint');
  }
  const { url, token } = await readSignedIn();
  const client = clientFor(url, token);
  const signed = flags.checkpoint && (await readCheckpoint(flags.checkpoint, flags.jwks, url));
  const verdict =
    signed === undefined && flags.checkpoint !== undefined
      ? ({ isWhole: false, seq: 0, fault: 'the checkpoint is not signed by any of the keys' } as const)
      : await walk(client, signed || undefined);
  report(verdict, signed || undefined, flags);
  return verdict.isWhole ? 0 : 1;
}

async function walk(client: Client, signed: CheckpointClaims | undefined): Promise<Verdict> {
  if (signed && (await client.me()).workspace.id !== signed.workspace_id) {
    return { isWhole: false, seq: signed.seq, fault: 'the checkpoint is of another workspace' };
  }
  let previous: AuditEvent | undefined;
  for await (const event of everyPage((cursor) => client.auditEvents({ cursor, limit: 200 }))) {
    const broken = brokenLink(previous, { ...event });
    if (broken) return { isWhole: false, ...broken };
    if (event.seq === signed?.seq && event.hash !== signed.hash) {
      return { isWhole: false, seq: event.seq, fault: `event ${event.seq} is not the one that the checkpoint signed` };
    }
    previous = event;
  }
  const length = previous?.seq ?? 0;
  if (signed && length < signed.seq) {
    const fault = `the log ends at event ${length}, but event ${signed.seq} was signed on ${signed.at}`;
    return { isWhole: false, seq: length + 1, fault };
  }
  return { isWhole: true, events: length, head: previous && { seq: previous.seq, hash: previous.hash } };
}

function report(verdict: Verdict, signed: CheckpointClaims | undefined, flags: VerifyFlags): void {
  if (flags.json) {
    printJson(
      verdict.isWhole
        ? { ok: true, events: verdict.events, head: verdict.head ?? null, checkpoint: signed ?? null }
        : { ok: false, seq: verdict.seq, fault: verdict.fault },
    );
    return;
  }
  const view = outputView();
  if (!verdict.isWhole) {
    print(`${paint('broken:', 'red', view)} ${printable(verdict.fault)}`);
    return;
  }
  print(
    `${paint('whole:', 'green', view)} ${verdict.events} events${verdict.head ? `, head ${verdict.head.hash}` : ''}`,
  );
  if (signed) say(`Event ${signed.seq} is the one that the checkpoint of ${printable(signed.at)} signed.`);
  if (signed && flags.jwks === undefined) {
    say('The keys came from the service itself. --jwks FILE checks by keys that you kept.');
  }
}
