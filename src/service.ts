import { BUSY_ROUTES, createApp } from './http/app.js';
import { createCredentials } from './http/credentials.js';
import { createGithubKeys, GITHUB_KEYS_URL } from './http/github-keys.js';
import { createIssuerKeys } from './http/issuer-keys.js';
import { createSigner } from './http/jwt.js';
import type { Log } from './http/log.js';
import { createMailSender } from './http/mail-sender.js';
import { createMailTransport, type MailTransportOptions } from './http/mail-transport.js';
import { createMetrics, type ShareFigures } from './http/metrics.js';
import { createDirectListener } from './http/node.js';
import { createNonces } from './http/nonces.js';
import { createOutgoing } from './http/outgoing.js';
import { createProvider } from './http/provider.js';
import { createSeals } from './http/seals.js';
import { createWatches } from './http/watches.js';
import { createWebhookSender, RECEIVER_SECONDS } from './http/webhook-sender.js';
import { createWebhookSignatures } from './http/webhook-signatures.js';
import type { Keys } from './keys.js';
import { repeat } from './repeat.js';
import { newId } from './rules/format.js';
import type { ProviderSettings } from './rules/sign-in.js';
import { createAdmissions } from './store/admissions.js';
import { createCheckLog } from './store/checks.js';
import type { ConnectionOptions } from './store/connect.js';
import { openDatabase } from './store/database.js';
import { countExpiring, noteExpiries } from './store/expiry-notices.js';
import { keepHouse } from './store/housekeeping.js';
import type { Journal } from './store/journal.js';
import { endLapsedOffers } from './store/lapsed-offers.js';
import { loseLeases } from './store/leases.js';
import { createLookup, type LookupWidth } from './store/lookup.js';
import { listenForChanges } from './store/notifications.js';
import { createRunEnds } from './store/run-ends.js';
import { createSecrets, type Secrets } from './store/secret.js';
import { createUnusedFreezer } from './store/unused.js';
import { createUseLog, keepWriting } from './store/use.js';

export interface ServiceOptions {
  readonly options: ConnectionOptions;
  readonly direct: ConnectionOptions;
  readonly keys: Keys;
  /** Read when it is needed: a port of 0 is known only after listening. */
  readonly issuer: () => string;
  readonly trustedProxies: readonly string[];
  /** Where issuers of trust rules may be beside public addresses (default: nowhere). */
  readonly allowedPrivateNetworks?: readonly string[] | undefined;
  /** Where the keys of GitHub's secret scanning are (default: where GitHub publishes them). */
  readonly githubKeysUrl?: string | undefined;
  /** What a GitLab shows that reports leaks (default: none does). */
  readonly gitlabToken?: string | undefined;
  /** What is told of each ending before it is answered, if endings are journaled. */
  readonly journal?: Journal | undefined;
  readonly log: Log;
  readonly now: () => Date;
  /** Where mails go out, if anywhere. */
  readonly mail?: MailTransportOptions | undefined;
  /** The OpenID provider, if people sign in by one. */
  readonly oidc?: ProviderSettings | undefined;
  /** In a process that is one of several. */
  readonly shareFigures?: ShareFigures | undefined;
  /** For the tests, which make thousands of tokens: cheaper ones than those of `keys`. */
  readonly secrets?: Secrets;
  /** For the tests, whose clocks stand still: how often lost runs are marked and unused tokens looked for, and the database is
   *  looked after. */
  readonly markLostEveryMs?: number | undefined;
  /** For the tests too: how often messages are sent and notices made. */
  readonly notifyEveryMs?: number | undefined;
  /** For those that send by hand: whether what is due is sent as soon as it is on record (default: it is). */
  readonly sendsAtOnce?: boolean | undefined;
  /** For the benchmark. */
  readonly lookupWidth?: LookupWidth | undefined;
  /** For the test that plants a wrong one. */
  readonly openLookup?: typeof createLookup;
}

/** The service over its database, without a port. */
export interface Service {
  readonly app: ReturnType<typeof createApp>;
  /** Answers the busy routes straight from node:http; gives false for the others. */
  readonly direct: ReturnType<typeof createDirectListener>;
  /** From now on connections end with their answers, and the open watches end: their guards go to another node, or come
   *  back. */
  drain(): void;
  close(): Promise<void>;
}

const CLOSE_MS = 3_000;
const HOUSEKEEPING_EVERY_MS = 3_600_000;
const MARK_LOST_EVERY_MS = 5_000;
const FREEZE_EVERY_MS = 60_000;
const PROBE_EVERY_MS = 5_000;
const SEND_EVERY_MS = 1_000;
const NOTE_EVERY_MS = 60_000;

/** Puts the parts together. */
export async function createService(options: ServiceOptions): Promise<Service> {
  const { log, now } = options;
  let isDraining = false;
  const database = openDatabase(options.options, options.journal, options.mail !== undefined);
  const onHang = () => {
    log.error('the database does not answer; connecting anew');
    database.renew();
  };
  const openLookup = options.openLookup ?? createLookup;
  const lookup = openLookup(options.options, onHang, options.lookupWidth);
  const checkLog = createCheckLog(options.options, onHang);
  const admissions = createAdmissions(database, now);
  const useLog = createUseLog(() => database.db);
  const secrets = options.secrets ?? createSecrets(options.keys.peppers);
  const watches = createWatches(lookup, createRunEnds(database), (error) =>
    log.warn({ err: error }, 'a watch could not be read; trying again'),
  );
  const readings = {
    lookupQueue: lookup.length,
    checkQueue: () => checkLog.length() + admissions.length(),
    hashQueue: secrets.queueLength,
    openWatches: watches.size,
    notificationsHeard: () => (notifications.isHeard() ? 1 : 0),
  };
  const metrics = createMetrics(readings, options.shareFigures);

  const stopWriting = keepWriting(useLog, (error) => log.warn({ err: error }, 'last uses wait to be written'));
  const again = (everyMs: number, act: () => Promise<unknown>, waits: string) =>
    repeat(everyMs, act, (error) => log.warn({ err: error }, waits));
  async function tidy(): Promise<void> {
    const dropped = await keepHouse(database.sql, now());
    if (dropped.length > 0) log.info({ dropped }, 'dropped old exec checks');
  }
  async function markLost(): Promise<void> {
    const lost = await loseLeases(database.db, now());
    if (lost > 0) log.info({ lost }, 'runs were lost: nobody renewed their leases');
    const ended = await endLapsedOffers(database.db, now());
    if (ended > 0) log.info({ ended }, 'tokens ended: nobody took them over in time');
  }
  const freezer = createUnusedFreezer(() => database.db);
  async function freezeUnused(): Promise<void> {
    const frozen = await freezer.pass(now());
    if (frozen > 0) log.info({ frozen }, 'tokens were frozen: nobody used them for as long as the policy says');
  }

  const signer = await createSigner(options.keys.signingKeys);
  const [pepper, ...olderPeppers] = options.keys.peppers;
  const pepperKeys = [pepper.key, ...olderPeppers.map(({ key }) => key)] as const;
  const nonces = createNonces(pepperKeys);
  const seals = createSeals(pepperKeys);
  const allowedPrivateNetworks = options.allowedPrivateNetworks ?? [];
  const outgoing = createOutgoing({ allowedPrivateNetworks });
  const webhookSignatures = createWebhookSignatures(pepperKeys);
  const sender = createWebhookSender({
    db: () => database.db,
    outgoing: createOutgoing({ allowedPrivateNetworks, timeoutSeconds: RECEIVER_SECONDS }),
    signatures: webhookSignatures,
    log,
    now,
    counted: metrics.delivery,
  });
  const mailTransport = options.mail && createMailTransport(options.mail);
  const mailSender =
    mailTransport &&
    createMailSender({
      db: () => database.db,
      transport: mailTransport,
      issuer: options.issuer,
      log,
      now,
      counted: metrics.mail,
    });
  const senders = mailSender === undefined ? [sender] : [sender, mailSender];
  const send = () =>
    Promise.all(senders.map((one) => one.pass())).catch((error) =>
      log.warn({ err: error }, 'what is due waits; trying again'),
    );
  const notifications = listenForChanges(options.direct, {
    changed: watches.changed,
    due: () => {
      if (options.sendsAtOnce !== false) void send();
    },
  });
  let notedAt: Date | undefined;
  let lookedAt: Date | undefined;
  async function note(): Promise<void> {
    const at = now();
    // All tokens once an hour: one that was held back may have missed its day.
    const isWhole = lookedAt === undefined || at.getTime() - lookedAt.getTime() >= HOUSEKEEPING_EVERY_MS;
    if ((await noteExpiries(database.db, at, isWhole ? undefined : notedAt)) === undefined) return;
    notedAt = at;
    if (!isWhole) return;
    metrics.expiring(await countExpiring(database.db, at));
    lookedAt = at;
  }
  const { markLostEveryMs, notifyEveryMs } = options;
  const stops = [
    again(HOUSEKEEPING_EVERY_MS, tidy, 'housekeeping did not finish; the next hour tries again'),
    again(markLostEveryMs ?? MARK_LOST_EVERY_MS, markLost, 'what ends by time waits to be marked; trying again'),
    again(markLostEveryMs ?? FREEZE_EVERY_MS, freezeUnused, 'unused tokens wait to be frozen; trying again'),
    again(notifyEveryMs ?? SEND_EVERY_MS, sender.pass, 'messages to webhooks wait; trying again'),
    ...(mailSender ? [again(notifyEveryMs ?? SEND_EVERY_MS, mailSender.pass, 'mails wait; trying again')] : []),
    again(notifyEveryMs ?? NOTE_EVERY_MS, note, 'notices of expiry wait; trying again'),
    // A page or a device that polls asks the pool alone, which waits for a database that hangs. The lookup gives it up, and has
    // everybody connect anew; without it nobody would find out before somebody asked with a token.
    repeat(
      markLostEveryMs ?? PROBE_EVERY_MS,
      () => lookup.find(newId('tok', now())),
      (error) => log.debug({ err: error }, 'the database is out of reach'),
    ),
  ];
  const deps = {
    get db() {
      return database.db;
    },
    get sql() {
      return database.sql;
    },
    lookup,
    checkLog,
    admissions,
    useLog,
    secrets,
    credentials: createCredentials(secrets),
    isDraining: () => isDraining,
    signer,
    nonces,
    seals,
    webhookSignatures,
    provider: options.oidc && createProvider(options.oidc),
    sendsMail: mailSender !== undefined,
    watches,
    issuerKeys: createIssuerKeys(outgoing, log),
    gitlabToken: options.gitlabToken,
    githubKeys: createGithubKeys(outgoing, options.githubKeysUrl ?? GITHUB_KEYS_URL, log),
    metrics,
    log,
    get issuer() {
      return options.issuer();
    },
    trustedProxies: options.trustedProxies,
    allowedPrivateNetworks,
    now,
  };
  return {
    app: createApp(deps),
    direct: createDirectListener(deps, BUSY_ROUTES),
    drain: () => {
      isDraining = true;
      watches.close();
    },
    close: async () => {
      for (const stop of stops) stop();
      sender.stop();
      mailSender?.stop();
      watches.close();
      // A database that does not answer holds up no stop.
      await new Promise<void>((resolve, reject) => {
        const late = setTimeout(() => {
          mailTransport?.close();
          resolve();
        }, CLOSE_MS);
        // A mail whose outcome is not on record is sent twice.
        Promise.all([stopWriting(), mailSender?.idle()])
          .then(() => mailTransport?.close())
          .then(() =>
            Promise.all([
              notifications.close(),
              lookup.close(),
              checkLog.close(),
              database.close(),
              options.journal?.close(),
            ]),
          )
          .then(() => resolve(), reject)
          .finally(() => clearTimeout(late));
      });
    },
  };
}
