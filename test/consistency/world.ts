import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Keys } from '../../src/keys.js';
import { printId } from '../../src/rules/format.js';
import type { ConnectionOptions } from '../../src/store/connect.js';
import { type Db, inTransaction, openDatabase } from '../../src/store/database.js';
import { insertMember } from '../../src/store/members.js';
import { createSecrets } from '../../src/store/secret.js';
import { insertWorkflow } from '../../src/store/workflows.js';
import { createWorkspace, recoverMember, type SignIn, type WorkspaceRow } from '../../src/store/workspaces.js';
import type { Recorder, Tick, TokenRecord } from './history.js';

/** The run ended before something that it waited for. */
export class RunOverError extends Error {
  override readonly name = 'RunOverError';
}

/** Somebody with a token. `printed` is a secret. */
export interface Holder {
  readonly record: TokenRecord;
  readonly printed: string;
}

/** A member, with the token that it signed in with last. */
export interface Person {
  readonly id: string;
  readonly email: string;
  signIn: Holder;
}

/** A job's token, with what the driver knows about it. */
export interface Job extends Holder {
  readonly label: string;
  /** The token that ends with this one's first use. */
  readonly predecessor: string | undefined;
  isRotated: boolean;
}

/** A workspace and what is left in it to play with. */
export interface Tenant {
  readonly id: string;
  readonly row: WorkspaceRow;
  readonly owner: Person;
  people: Person[];
  labels: string[];
  /** Those that freeze the tokens of whoever goes, the ones that are not used any more among them. */
  readonly freezing: Set<string>;
  live: Job[];
  /** Some of those that ended. They are asked about again and again. */
  ended: Job[];
}

/** The workspaces of a run. What a client cannot make by asking a node is made here, as the host's operator does. */
export interface World {
  readonly tenants: readonly Tenant[];
  /** Gives a person another token to sign in with, in the place of one that ended. Does nothing for one that is not
   *  active. */
  renew(tenant: Tenant, person: Person, ended: Holder): Promise<void>;
  addPerson(tenant: Tenant): Promise<void>;
  addLabel(tenant: Tenant): Promise<void>;
  close(): Promise<void>;
}

export interface WorldOptions {
  readonly database: ConnectionOptions;
  readonly keys: Keys;
  readonly recorder: Recorder;
  readonly tenants: number;
  /** When it turns true nothing is tried again any more. */
  readonly isOver: () => boolean;
}

export const SERVICE_LABEL = 'countersign';
const PEOPLE = 3;
const LABELS = 4;
const RETRY_MS = 100;
const HOST = { actorType: 'host', actorId: 'host' } as const;
const POLICY = {
  description: '',
  allowedScopes: ['repo:*'],
  allowedExpiryDays: [30],
  constraints: {},
  maxRunSeconds: 3600,
  maxConcurrentRuns: undefined,
  maxConcurrentRunsPerToken: undefined,
};

/** Makes the workspaces of a run in a migrated database. */
export async function openWorld({ database, keys, recorder, tenants, isOver }: WorldOptions): Promise<World> {
  const host = openDatabase(database);
  const secrets = createSecrets(keys.peppers);

  // Until it succeeds: the database may be away for a moment.
  async function persist<T>(act: (db: Db, now: Date) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await act(host.db, new Date());
      } catch (error) {
        if (isOver()) throw new RunOverError('the run ended while the database was away', { cause: error });
        await delay(RETRY_MS);
      }
    }
  }

  async function signedIn<T>(
    act: (db: Db, now: Date) => Promise<T>,
    signInOf: (made: T) => SignIn | undefined,
  ): Promise<{ signIn: SignIn; holder: Holder } | undefined> {
    const from = recorder.tick();
    let createdAt = 0;
    const made = await persist((db, now) => {
      createdAt = now.getTime();
      return act(db, now);
    });
    const signIn = signInOf(made);
    return signIn && { signIn, holder: holderOf(recorder, signIn, createdAt, from) };
  }

  async function addTenant(): Promise<Tenant> {
    const made = await signedIn(
      (db, now) => createWorkspace(db, secrets, { slug: unique('ws'), ownerEmail: 'owner@acme.example' }, now),
      (signIn) => signIn,
    );
    if (made === undefined) throw new Error('a fresh slug is taken');
    const { workspace, member } = made.signIn;
    const owner: Person = { id: printId('mem', member.id), email: member.email, signIn: made.holder };
    const id = printId('ws', workspace.id);
    const tenant: Tenant = {
      id,
      row: workspace,
      owner,
      people: [],
      labels: [],
      freezing: new Set(),
      live: [],
      ended: [],
    };
    for (let at = 0; at < LABELS; at += 1) await addLabel(tenant);
    for (let at = 0; at < PEOPLE; at += 1) await addPerson(tenant);
    return tenant;
  }

  async function addPerson(tenant: Tenant): Promise<void> {
    const email = `${unique('member')}@acme.example`;
    const draft = { workspaceId: tenant.row.id, email, name: null, role: 'member', status: 'active' } as const;
    await persist((db, now) => inTransaction(db, (tx) => insertMember(tx, draft, now)));
    const made = await recover(tenant, email);
    if (made === undefined) throw new Error('a fresh member cannot sign in');
    tenant.people.push({ id: printId('mem', made.signIn.member.id), email, signIn: made.holder });
  }

  async function addLabel(tenant: Tenant): Promise<void> {
    const label = unique('wf');
    const isFreezing = !tenant.labels.some((other) => tenant.freezing.has(other));
    const policy = { ...POLICY, leaver: isFreezing ? ({ rule: 'freeze' } as const) : undefined };
    await persist((db, now) => inTransaction(db, (tx) => insertWorkflow(tx, tenant.row.id, label, policy, HOST, now)));
    if (isFreezing) tenant.freezing.add(label);
    tenant.labels.push(label);
  }

  function recover(tenant: Tenant, email: string) {
    return signedIn(
      (db, now) => recoverMember(db, secrets, tenant.row, email, now),
      (recovered) => (recovered.ok ? recovered.value : undefined),
    );
  }

  const made: Tenant[] = [];
  for (let at = 0; at < tenants; at += 1) made.push(await addTenant());
  const renewals = new Map<Person, Promise<void>>();
  return {
    tenants: made,
    renew: (tenant, person, ended) => {
      if (person.signIn !== ended) return Promise.resolve();
      const underWay = renewals.get(person);
      if (underWay) return underWay;
      const renewal = recover(tenant, person.email)
        .then((fresh) => {
          if (fresh) person.signIn = fresh.holder;
        })
        .finally(() => renewals.delete(person));
      renewals.set(person, renewal);
      return renewal;
    },
    addPerson,
    addLabel,
    close: host.close,
  };
}

/** The key of a workflow in a history: labels are unique in their workspace only. */
export function workflowKey(tenant: Pick<Tenant, 'id'>, label: string): string {
  return `${tenant.id}/${label}`;
}

/** The key of the switch of a workspace's policy in a history. */
export function policyKey(tenant: Pick<Tenant, 'id'>): string {
  return `policy of ${tenant.id}`;
}

function holderOf(recorder: Recorder, signIn: SignIn, createdAt: number, mintStartedAt: Tick): Holder {
  const id = printId('tok', signIn.tokenId);
  const workspace = printId('ws', signIn.workspace.id);
  const record = {
    id,
    workspace,
    workflow: workflowKey({ id: workspace }, SERVICE_LABEL),
    creator: printId('mem', signIn.member.id),
    lineage: id,
    createdAt,
    mintStartedAt,
    mintEndedAt: recorder.tick(),
  };
  recorder.token(record);
  return { record, printed: signIn.printed };
}

function unique(what: string): string {
  return `${what}-${randomBytes(6).toString('hex')}`;
}
