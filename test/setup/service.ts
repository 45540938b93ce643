import { randomBytes } from 'node:crypto';
import { generateSigningKey, signingKeySet } from '../../src/http/jwt.js';
import { createLog } from '../../src/http/log.js';
import type { MailTransportOptions } from '../../src/http/mail-transport.js';
import type { Keys } from '../../src/keys.js';
import { addSeconds } from '../../src/rules/lifetime.js';
import type { ProviderSettings } from '../../src/rules/sign-in.js';
import { type Client, createClient } from '../../src/sdk/index.js';
import { createService, type Service } from '../../src/service.js';
import { type Database, openDatabase } from '../../src/store/database.js';
import { createSecrets, type Secrets } from '../../src/store/secret.js';
import { createWorkspace, type SignIn } from '../../src/store/workspaces.js';
import type { MintRequest, WorkflowRequest } from '../../src/wire/resources.js';
import { createTestDatabase, type TestDatabase } from './database.js';

// argon2id as it is, at its least cost: at the real one it would be most of what the tests do.
const HASH_COST = { memoryCost: 1024, timeCost: 2 };

const NEVER_MS = 2 ** 31 - 1;

export const ISSUER = 'https://countersign.example';

/** A clock that stands still until a test sets it. */
export interface TestClock {
  now: () => Date;
  advance(seconds: number): void;
}

/** A service over a database of its own, driven without a port. */
export interface TestService {
  readonly database: TestDatabase;
  readonly db: Database;
  readonly keys: Keys;
  /** The verifiers that the service itself uses. */
  readonly secrets: Secrets;
  readonly service: Service;
  readonly clock: TestClock;
  /** All that was logged, at trace level. */
  readonly log: string[];
  /** The first workspace and its owner, whose token is a sign-in token. */
  readonly owner: SignIn;
  readonly fetch: typeof fetch;
  /** A client that calls from `address` (default 192.0.2.1) with a token (default the owner's). */
  client(token?: string | null, address?: string): Client;
  /** Another workspace with its owner. */
  makeWorkspace(slug: string): Promise<SignIn>;
  /** A member of the first workspace with a sign-in token. */
  makeMember(role: 'owner' | 'admin' | 'member' | 'auditor'): Promise<{ id: string; token: string }>;
  /** A workflow, by default one that allows `repo:*` and `codex:*`. */
  makeWorkflow(label: string, request?: WorkflowRequest): Promise<void>;
  /** A token of workflow `nightly`, which is made when it is missing. Gives its id and its printed form. */
  seedToken(request?: Partial<MintRequest>): Promise<{ id: string; token: string }>;
  close(): Promise<void>;
}

export interface TestServiceOptions {
  /** Where the clock stands (default: the real time, to the second). */
  readonly at?: Date;
  readonly keys?: Keys;
  readonly database?: TestDatabase;
  readonly trustedProxies?: readonly string[];
  /** Where issuers of trust rules may be (default: nowhere private). */
  readonly allowedPrivateNetworks?: readonly string[];
  /** Where the keys of GitHub's secret scanning are (default: where GitHub publishes them). */
  readonly githubKeysUrl?: string;
  /** What a GitLab shows that reports leaks (default: none does). */
  readonly gitlabToken?: string;
  /** How often runs with a lease that ran out are marked (default: never by itself). */
  readonly markLostEveryMs?: number;
  /** How often messages to webhooks are sent and notices of expiry made (default: never by itself). */
  readonly notifyEveryMs?: number;
  /** Whether messages are sent as soon as they are on record, by a hint through the database (default: they are not). */
  readonly sendsAtOnce?: boolean;
  /** Read when it is needed, as the service does (default {@link ISSUER}). */
  readonly issuer?: () => string;
  /** Where mails go out (default: nowhere). */
  readonly mail?: MailTransportOptions;
  /** The OpenID provider (default none). */
  readonly oidc?: ProviderSettings;
}

/** Starts a service for a test. Close it in `afterAll` or `afterEach`. */
export async function createTestService(options: TestServiceOptions = {}): Promise<TestService> {
  const database = options.database ?? (await createTestDatabase());
  const keys = options.keys ?? (await makeKeys());
  const issuer = options.issuer ?? (() => ISSUER);
  const clock = makeClock(options.at ?? new Date(Math.floor(Date.now() / 1000) * 1000));
  const lines: string[] = [];
  const stream = { write: (line: string) => lines.push(line) > 0 } as unknown as NodeJS.WritableStream;
  const secrets = createSecrets(keys.peppers, HASH_COST);
  const service = await createService({
    options: database.options,
    direct: database.options,
    keys,
    issuer,
    trustedProxies: options.trustedProxies ?? [],
    allowedPrivateNetworks: options.allowedPrivateNetworks,
    githubKeysUrl: options.githubKeysUrl,
    gitlabToken: options.gitlabToken,
    log: createLog('trace', stream),
    now: () => clock.now(),
    secrets,
    oidc: options.oidc,
    mail: options.mail,
    markLostEveryMs: options.markLostEveryMs ?? NEVER_MS,
    notifyEveryMs: options.notifyEveryMs ?? NEVER_MS,
    sendsAtOnce: options.sendsAtOnce ?? false,
  });
  const db = openDatabase(database.options, undefined, options.mail !== undefined);
  const makeWorkspace = async (slug: string) => {
    const signIn = await createWorkspace(db.db, secrets, { slug, ownerEmail: `owner@${slug}.example` }, clock.now());
    if (signIn === undefined) throw new Error(`${slug} is taken`);
    return signIn;
  };
  const owner = await makeWorkspace(`acme-${randomBytes(6).toString('hex')}`);
  const fetchFrom =
    (address: string): typeof fetch =>
    async (input, init) =>
      service.app.request(new Request(input, init), undefined, {
        incoming: { socket: { remoteAddress: address } },
      });
  const client = (token: string | null = owner.printed, address = '192.0.2.1') =>
    createClient({ url: issuer(), token: token ?? undefined, fetch: fetchFrom(address) });
  const makeWorkflow = async (label: string, request: WorkflowRequest = { allowed_scopes: ['repo:*', 'codex:*'] }) => {
    await client().workflows.put(label, request);
  };
  const workflows = new Set<string>();

  return {
    database,
    db,
    keys,
    secrets,
    service,
    clock,
    log: lines,
    owner,
    fetch: fetchFrom('192.0.2.1'),
    client,
    makeWorkspace,
    makeWorkflow,
    makeMember: async (role) => {
      const email = `${role}-${randomBytes(6).toString('hex')}@acme.example`;
      const { invitation } = await client().members.invite({ email, role });
      const accepted = await client(null).members.accept(invitation);
      return { id: accepted.id, token: accepted.token };
    },
    seedToken: async (request = {}) => {
      const workflow = request.workflow ?? 'nightly';
      if (request.workflow === undefined && !workflows.has(workflow)) await makeWorkflow(workflow);
      workflows.add(workflow);
      const minted = await client().tokens.mint({ workflow, scopes: ['repo:read'], expires_in_days: 30, ...request });
      return { id: minted.id, token: minted.token };
    },
    close: async () => {
      await service.close();
      await db.close();
      if (options.database === undefined) await database.drop();
    },
  };
}

/** Fresh keys of a service. */
export async function makeKeys(): Promise<Keys> {
  const kid = `p${randomBytes(8).toString('hex')}`;
  return {
    peppers: [{ kid, key: randomBytes(32) }],
    signingKeys: signingKeySet.parse({ keys: [await generateSigningKey()] }),
  };
}

function makeClock(start: Date): TestClock {
  let at = start;
  return {
    now: () => at,
    advance: (seconds) => {
      at = addSeconds(at, seconds);
    },
  };
}
