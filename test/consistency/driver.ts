import { setTimeout as delay } from 'node:timers/promises';
import type { Keys } from '../../src/keys.js';
import type { ConnectionOptions } from '../../src/store/connect.js';
import { PLAYS } from './acts.js';
import { anyNode, ask, pick, type Stage, type Tally } from './asking.js';
import { check, type Fault } from './checker.js';
import { openConnections } from './connection.js';
import { createRecorder } from './history.js';
import { mint } from './minting.js';
import type { Node } from './node.js';
import { openWorld, RunOverError, type Tenant } from './world.js';

export interface Drive {
  readonly nodes: readonly Node[];
  /** The database of the nodes, reached without a pooler. */
  readonly database: ConnectionOptions;
  readonly keys: Keys;
  /** How many answers are wanted that say something: yes, no, done. */
  readonly operations: number;
  readonly clients: number;
  readonly tenants: number;
  /** The run ends then, whatever it has. */
  readonly maxSeconds: number;
  /** Makes trouble for as long as the run goes on. `progress` runs from 0 to 1. */
  readonly disturb: ((progress: () => number) => Promise<void>) | undefined;
}

/** What a run was answered, and what of it was wrong. */
export interface Outcome {
  readonly operations: number;
  readonly tally: Tally;
  readonly stale: readonly Fault[];
  readonly falseNoes: readonly Fault[];
  readonly seconds: number;
}

const LIVE_PER_TENANT = 12;
const PLAY_SHARE = 0.04;
const ENDED_SHARE = 0.35;
const BREATH_MS = 10;

/** Lets many clients race questions against all that can end a token, then judges every answer. */
export async function drive(options: Drive): Promise<Outcome> {
  const startedAt = performance.now();
  const tally: Tally = { yes: 0, no: 0, unavailable: 0, broken: 0, acts: 0, minted: 0, strange: {} };
  const elapsed = () => (performance.now() - startedAt) / 1000;
  const done = () => tally.yes + tally.no + tally.acts + tally.minted;
  const isOver = () => done() >= options.operations || elapsed() > options.maxSeconds;
  const recorder = createRecorder();
  const connections = openConnections();
  const { database, keys, nodes, tenants } = options;
  const world = await openWorld({ database, keys, recorder, tenants, isOver });
  const stage: Stage = { recorder, connections, world, nodes, tally };
  try {
    const clients = Array.from({ length: options.clients }, () => runClient(stage, isOver));
    const trouble = options.disturb?.(() => (isOver() ? 1 : Math.min(done() / options.operations, 0.999)));
    await Promise.all([...clients, trouble]);
  } finally {
    connections.close();
    await world.close();
  }
  return { operations: done(), tally, ...check(recorder), seconds: elapsed() };
}

async function runClient(stage: Stage, isOver: () => boolean): Promise<void> {
  const { tally } = stage;
  while (!isOver()) {
    const failures = tally.broken + tally.unavailable;
    await step(stage, pick(stage.world.tenants)).catch(unlessOver);
    // A database or a node is away: not all of the run is to be spent on hearing so.
    if (tally.broken + tally.unavailable > failures) await delay(BREATH_MS);
  }
}

function unlessOver(error: unknown): void {
  if (!(error instanceof RunOverError)) throw error;
}

async function step(stage: Stage, tenant: Tenant): Promise<void> {
  if (tenant.labels.length === 0 || tenant.people.length === 0) return delay(BREATH_MS);
  const isShort = tenant.live.length < LIVE_PER_TENANT;
  if (tenant.live.length === 0 || (isShort && Math.random() < 0.1)) return mint(stage, tenant);
  if (Math.random() < PLAY_SHARE) return pickPlay()(stage, tenant);
  const isEnded = tenant.ended.length > 0 && Math.random() < ENDED_SHARE;
  await ask(stage, anyNode(stage), tenant, pick(isEnded ? tenant.ended : tenant.live));
}

function pickPlay() {
  const total = PLAYS.reduce((sum, [weight]) => sum + weight, 0);
  let draw = Math.random() * total;
  for (const [weight, play] of PLAYS) {
    draw -= weight;
    if (draw < 0) return play;
  }
  throw new Error('the weights do not add up');
}
