import type { Worker } from 'node:cluster';
import type { PrometheusContentType, Registry } from 'prom-client';
import { z } from 'zod';
import type { Log } from '../http/log.js';

/** The figures of one process, as they go from a worker to its primary. */
const figuresSchema = z.array(
  z.object({
    name: z.string(),
    help: z.string(),
    type: z.enum(['counter', 'gauge', 'histogram', 'summary']),
    aggregator: z.enum(['omit', 'sum', 'first', 'min', 'max', 'average']),
    values: z.array(valueSchema()).transform((values) => values.filter(({ value }) => value !== null)),
  }),
);

type Figures = z.output<typeof figuresSchema>;

// What is no number, as an average of nothing, is null in a message.
function valueSchema() {
  return z.object({
    value: z.number().nullable(),
    labels: z.record(z.string(), z.union([z.string(), z.number()])),
    metricName: z.string().optional(),
  });
}

const allAsked = z.object({ event: z.literal('all figures asked') });
const all = z.object({ event: z.literal('all figures'), text: z.string() });
const ownAsked = z.object({ event: z.literal('own figures asked'), round: z.int() });
const own = z.object({ event: z.literal('own figures'), round: z.int(), figures: figuresSchema });

// Prometheus waits for 10 s unless told otherwise.
const WORKERS_MS = 1_000;
const PRIMARY_MS = 5_000;

/** What a worker has to do with the figures of all. */
export interface WorkerFigures {
  /** Gets how to read those of this worker, which the primary may ask for from then on. Gives how to print those of all. */
  share(read: () => Promise<unknown>): () => Promise<string>;
  /** Leaves this worker's last figures with the primary. */
  leave(): Promise<void>;
}

/** The worker's side. */
export function workerFigures(): WorkerFigures {
  let tell = async (_round: number): Promise<void> => undefined;

  function askPrimary(): Promise<string> {
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(late);
        process.off('message', hear);
      };
      const hear = (message: unknown) => {
        const heard = all.safeParse(message);
        if (!heard.success) return;
        end();
        resolve(heard.data.text);
      };
      const late = setTimeout(() => {
        end();
        reject(new Error('the primary did not give the figures of all workers'));
      }, PRIMARY_MS);
      process.on('message', hear);
      send({ event: 'all figures asked' });
    });
  }

  return {
    share: (read) => {
      tell = async (round) => send({ event: 'own figures', round, figures: await read() });
      process.on('message', (message: unknown) => {
        const asked = ownAsked.safeParse(message);
        if (asked.success) void tell(asked.data.round);
      });
      return sharedRuns(askPrimary);
    },
    leave: () => tell(0),
  };
}

function send(message: z.input<typeof allAsked> | { event: 'own figures'; round: number; figures: unknown }): void {
  if (process.connected) process.send?.(message);
}

/** The primary's side. Gives what to call with each worker that listens. A worker that does not answer in time, or has
 *  ended, still counts with what it last told of its counters, so that no sum ever falls. */
export function primaryFigures(log: Log): (worker: Worker) => void {
  const latest = new Map<Worker, { readonly round: number; readonly figures: Figures }>();
  let ended = Promise.resolve<Figures>([]);
  let round = 0;
  let onTold = () => {};

  const print = sharedRuns(async () => {
    round += 1;
    for (const worker of latest.keys()) worker.send({ event: 'own figures asked', round }, () => undefined);
    await untilToldByAll();
    // Both at one moment: who ends now is in one of them.
    const [told, before] = [[...latest.values()], ended];
    const live = told.map((one) => (one.round === round ? one.figures : counted(one.figures)));
    return (await sum([...live, await before])).metrics();
  });

  function untilToldByAll(): Promise<void> {
    return new Promise((resolve) => {
      const late = setTimeout(resolve, WORKERS_MS);
      onTold = () => {
        if (![...latest.values()].every((one) => one.round === round)) return;
        clearTimeout(late);
        resolve();
      };
      onTold();
    });
  }

  function report(error: unknown): void {
    log.error({ err: error }, 'the figures of the workers could not be put together');
  }

  return (worker) => {
    if (!worker.isConnected()) return;
    latest.set(worker, { round, figures: [] });
    worker.on('message', (message: unknown) => {
      const told = own.safeParse(message);
      if (told.success && latest.has(worker)) {
        latest.set(worker, told.data);
        onTold();
      }
      if (allAsked.safeParse(message).success)
        print().then((text) => worker.send({ event: 'all figures', text }, () => undefined), report);
    });
    // After all that it said.
    worker.once('disconnect', () => {
      const last = counted(latest.get(worker)?.figures ?? []);
      latest.delete(worker);
      ended = ended.then(async (before) => {
        try {
          return await add(before, last);
        } catch (error) {
          report(error);
          return before;
        }
      });
      onTold();
    });
  };
}

/** Those that only grow. */
function counted(figures: Figures): Figures {
  return figures.filter(({ type }) => type === 'counter' || type === 'histogram');
}

async function add(before: Figures, last: Figures): Promise<Figures> {
  return figuresSchema.parse(await (await sum([before, last])).getMetricsAsJSON());
}

// Read when figures are asked for: the primary starts its workers sooner without.
async function sum(figures: Figures[]): Promise<Registry<PrometheusContentType>> {
  const { AggregatorRegistry } = await import('prom-client');
  return AggregatorRegistry.aggregate<PrometheusContentType>(figures);
}

/** Runs one at a time. Who asks while it runs gets the next run, which begins after the asking. */
function sharedRuns<T>(run: () => Promise<T>): () => Promise<T> {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | undefined;
  return () => {
    next ??= running.then(() => {
      next = undefined;
      const begun = run();
      running = begun.catch(() => undefined);
      return begun;
    });
    return next;
  };
}
