import { connect } from '../../src/store/connect.js';
import { recoverMember } from '../../src/store/workspaces.js';
import { NO_MAIL_SERVER } from '../setup/mail-server.js';
import { send } from '../setup/request.js';
import { createTestService, makeKeys, type TestService } from '../setup/service.js';
import type { PlanCluster } from './plans-cluster.js';
import { loadYear } from './plans-data.js';
import { LISTS, type List } from './plans-lists.js';
import { markOf, type RanStatement, statementsByStep } from './plans-log.js';
import { GITLAB_TOKEN, PANICS, type Scene, STEPS, type Step } from './plans-steps.js';

export interface Run {
  /** What the service asked the database, by step. */
  readonly ran: ReadonlyMap<string, readonly RanStatement[]>;
  /** Which endpoints answered with success: `GET /v1/me`. */
  readonly answered: ReadonlySet<string>;
  /** Opens the service again over the same rows. */
  open(): Promise<Scene>;
}

const NEIGHBOURS = 20;

/** What a page of a list is called as a step. */
export function stepOf(list: List, page: number): string {
  return `${list.name}, ${['first', 'middle', 'last'][page]} page`;
}

/** Has the service do everything that it does, over a year of rows. Then once more what it prepares, with the plans that
 *  PostgreSQL makes without seeing the values. */
export async function runEverything(cluster: PlanCluster): Promise<Run> {
  const keys = await makeKeys();
  const mail = { settings: NO_MAIL_SERVER };
  const start = () => createTestService({ database: cluster.database, keys, gitlabToken: GITLAB_TOKEN, mail });
  const people = await loadPeople(await start());
  const open = async () => ({ ...people, service: await start() });
  const act = async (steps: readonly Step[]) => {
    const scene = await open();
    const marking = connect(cluster.database.options, { max: 1 });
    for (const [name, step] of steps) {
      await marking.unsafe(markOf(name));
      await step(scene);
    }
    const figures = await send(scene.service, 'GET', '/metrics');
    await scene.service.close();
    await marking.end();
    return figures.text;
  };
  await cluster.set('auto_explain.log_min_duration', '0');
  const figures = await act([...STEPS, ...LISTS.flatMap(asked), ...PANICS.map(([name, step]): Step => [name, step])]);
  await cluster.set('plan_cache_mode', 'force_generic_plan');
  await act(STEPS.map(([name, step]) => [`${name}, by general plans`, step]));
  await cluster.set('auto_explain.log_min_duration', '-1');
  await cluster.set('plan_cache_mode', 'auto');
  return { ran: statementsByStep(await cluster.log()), answered: answeredIn(figures), open };
}

/** Makes the workspaces, fills them, and gives those who act. */
async function loadPeople(service: TestService): Promise<Omit<Scene, 'service'>> {
  const { db, sql } = service.db;
  const large = await service.makeWorkspace('large');
  const names = Array.from({ length: NEIGHBOURS }, (_, at) => `neighbour-${at}`);
  const [small, ...others] = await Promise.all(names.map(service.makeWorkspace));
  if (small === undefined) throw new Error('there is no neighbour');
  const neighbours = [small, ...others].map(({ workspace }) => workspace.id);
  await loadYear(sql, large.workspace.id, neighbours, new Date());
  const member = await recoverMember(db, service.secrets, large.workspace, 'person-701@acme.example', new Date());
  await service.close();
  if (!member.ok) throw new Error('a member was not loaded');
  return { large, member: member.value, small };
}

function asked(list: List): Step[] {
  return list.pages.map((path, page) => {
    const ask = async (scene: Scene) => {
      const { status, text } = await send(scene.service, 'GET', path, { token: scene[list.by].printed });
      if (status !== 200) throw new Error(`${path} was answered with ${status}: ${text}`);
    };
    return [stepOf(list, page), ask];
  });
}

function answeredIn(figures: string): Set<string> {
  const line = /^countersign_http_request_seconds_count\{(.*)\} [1-9]/gm;
  const labels = [...figures.matchAll(line)].map(([, text = '']) => text);
  const of = (text: string, name: string) => new RegExp(`\\b${name}="([^"]*)"`).exec(text)?.[1] ?? '';
  const successes = labels.filter((text) => of(text, 'status').startsWith('2'));
  return new Set(successes.map((text) => `${of(text, 'method')} ${of(text, 'route')}`));
}
