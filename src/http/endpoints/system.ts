import { newId } from '../../rules/format.js';
import { accept, refuse } from '../../rules/refusal.js';
import { pendingMigrations } from '../../store/migrate.js';
import { problemKindOf } from '../../wire/problems.js';
import {
  approvePageOperation,
  docsOperation,
  healthOperation,
  metricsOperation,
  openApiOperation,
  problemOperation,
  readinessOperation,
} from '../../wire/system.js';
import type { Deps } from '../deps.js';
import { endpoint, type Route } from '../endpoint.js';
import { pageAnswer } from '../page.js';

export const healthRoute = endpoint(healthOperation, async () => accept({ status: 200, body: { status: 'ok' } }));

export const readinessRoute = endpoint(readinessOperation, async (deps) => {
  const body = await readiness(deps);
  return accept({
    status: body.status === 'ok' ? 200 : 503,
    body,
    headers: body.status === 'ok' ? {} : { 'retry-after': '1' },
  });
});

export const metricsRoute: Route = {
  operation: metricsOperation,
  handle: async ({ metrics }) =>
    accept({ status: 200, headers: { 'content-type': metrics.contentType }, body: await metrics.print() }),
};

// What makes documents and pages is imported when somebody reads them: a node starts faster without.
export const openApiRoute = endpoint(openApiOperation, async ({ issuer }) => {
  const { openApiDocument } = await import('../../wire/openapi.js');
  return accept({ status: 200, body: openApiDocument(issuer) });
});

export const docsRoute: Route = {
  operation: docsOperation,
  handle: async ({ issuer }) => {
    const [{ openApiDocument }, { docsPage }] = await Promise.all([
      import('../../wire/openapi.js'),
      import('../docs.js'),
    ]);
    return accept(pageAnswer(docsPage(openApiDocument(issuer))));
  },
};

export const problemRoute: Route = {
  operation: problemOperation,
  handle: async (_deps, exchange) => {
    const kind = problemKindOf(exchange.params['kind'] ?? '');
    if (kind === undefined) return refuse({ kind: 'not_found' });
    const { problemPage } = await import('../problem-page.js');
    return accept(pageAnswer(problemPage(kind)));
  },
};

export const approvePageRoute: Route = {
  operation: approvePageOperation,
  handle: async () => {
    const { approvePage } = await import('../approve-page.js');
    return accept(pageAnswer(approvePage()));
  },
};

async function readiness({ sql, lookup, log, now }: Deps) {
  try {
    // The first is the way that decisions take, which is given up when the database hangs.
    const [, pending] = await Promise.all([lookup.find(newId('tok', now())), pendingMigrations(sql)]);
    const isCurrent = pending.length === 0;
    const migrations = isCurrent ? ('current' as const) : ('behind' as const);
    return { status: isCurrent ? ('ok' as const) : ('unavailable' as const), database: 'ok' as const, migrations };
  } catch (error) {
    log.warn({ err: error }, 'the database is out of reach');
    return { status: 'unavailable' as const, database: 'unreachable' as const, migrations: 'unknown' as const };
  }
}
