import { type Aggregator, Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** The figures that the service gives to Prometheus. No label holds a token, a workspace or a raw path, so that their
 *  number is bounded. */
export interface Metrics {
  readonly contentType: string;
  /** In the text format of Prometheus; those of all workers together, where there are several. */
  print(): Promise<string>;
  /** One answered request. `route` is the path with its parameters unfilled. */
  request(method: string, route: string, status: number, seconds: number): void;
  introspection(isActive: boolean): void;
  execCheck(decision: 'allow' | 'deny'): void;
  tokens(act: 'minted' | 'rotated' | 'revoked', count: number): void;
  /** One attempt to send a message to a webhook. */
  delivery(outcome: 'delivered' | 'gone' | 'failed'): void;
  /** One attempt to send a mail. */
  mail(outcome: 'delivered' | 'refused' | 'failed'): void;
  /** How many tokens end within so many days. */
  expiring(counts: ReadonlyMap<number, number>): void;
}

/** What is read when the figures are asked for. */
export interface Readings {
  readonly lookupQueue: () => number;
  readonly checkQueue: () => number;
  readonly hashQueue: () => number;
  readonly openWatches: () => number;
  readonly notificationsHeard: () => number;
}

/** Puts the figures of this process together with those of others: gets how to read its own, gives how to print all. */
export type ShareFigures = (read: () => Promise<unknown>) => () => Promise<string>;

// Whoever asks chooses the method's name: others than these are one.
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

export function createMetrics(readings: Readings, share?: ShareFigures): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const requests = new Histogram({
    name: 'countersign_http_request_seconds',
    help: 'Time from a request to its answer, in seconds',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  const introspections = new Counter({
    name: 'countersign_introspections_total',
    help: 'Introspections answered, by outcome',
    labelNames: ['active'],
    registers,
  });
  const checks = new Counter({
    name: 'countersign_exec_checks_total',
    help: 'Exec checks decided, by decision',
    labelNames: ['decision'],
    registers,
  });
  const tokens = new Counter({
    name: 'countersign_tokens_total',
    help: 'Tokens minted, rotated and revoked',
    labelNames: ['act'],
    registers,
  });
  const deliveries = new Counter({
    name: 'countersign_webhook_attempts_total',
    help: 'Attempts to send a message to a webhook, by outcome',
    labelNames: ['outcome'],
    registers,
  });
  const mails = new Counter({
    name: 'countersign_mail_attempts_total',
    help: 'Attempts to send a mail, by outcome',
    labelNames: ['outcome'],
    registers,
  });
  const expiring = new Gauge({
    name: 'countersign_tokens_expiring',
    help: 'Tokens without a successor that end within so many days, as counted within the last hour',
    labelNames: ['days'],
    aggregator: 'max',
    registers,
  });
  const gauge = (name: string, aggregator: Aggregator, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      aggregator,
      registers,
      collect() {
        this.set(read());
      },
    });
  // A queue's bound is that of each process: the longest one tells how near it is.
  gauge('countersign_lookup_queue', 'max', 'Token lookups that wait or are under way', readings.lookupQueue);
  gauge('countersign_exec_check_queue', 'max', 'Decisions that wait for their commit', readings.checkQueue);
  gauge('countersign_hash_queue', 'max', 'argon2id computations that run or wait', readings.hashQueue);
  gauge('countersign_watches', 'sum', 'Open watches of running jobs', readings.openWatches);
  gauge(
    'countersign_notifications_heard',
    'min',
    '1 when the last database notification came back',
    readings.notificationsHeard,
  );

  return {
    contentType: registry.contentType,
    print: share ? share(() => registry.getMetricsAsJSON()) : () => registry.metrics(),
    request: (method, route, status, seconds) =>
      requests.observe({ method: METHODS.has(method) ? method : 'other', route, status }, seconds),
    introspection: (isActive) => introspections.inc({ active: String(isActive) }),
    execCheck: (decision) => checks.inc({ decision }),
    tokens: (act, count) => tokens.inc({ act }, count),
    delivery: (outcome) => deliveries.inc({ outcome }),
    mail: (outcome) => mails.inc({ outcome }),
    expiring: (counts) => {
      for (const [days, count] of counts) expiring.set({ days }, count);
    },
  };
}
