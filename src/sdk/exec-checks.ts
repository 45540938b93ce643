import { z } from 'zod';
import { execCheck, execCheckPage, execDecision } from '../wire/answers.js';
import type { ExecCheck, ExecCheckRequest, ExecDecision, FinishRequest, Page, WatchEvent } from '../wire/resources.js';
import { UnreachableError } from './errors.js';
import { type ClientOptions, send, sendFor } from './transport.js';

/** What a list of exec checks is narrowed to. `after` is a check's id or an RFC 3339 time: only later ones are listed. */
export interface ExecCheckQuery {
  limit?: number | undefined;
  cursor?: string | undefined;
  workflow?: string | undefined;
  token?: string | undefined;
  decision?: 'allow' | 'deny' | undefined;
  after?: string | undefined;
}

/** Far more than any event of the service, and little enough to hold. */
const LONGEST_EVENT = 65_536;

/** Whether a job may start, and for how long it may go on. */
export interface ExecChecksClient {
  check(request: ExecCheckRequest): Promise<ExecDecision>;
  list(query?: ExecCheckQuery): Promise<Page<ExecCheck>>;
  show(id: string): Promise<ExecCheck>;
  /** Follows a check: `alive` at the start and every 10 s, then one of `revoked`, `paused`, `suspended`, `stopped`, which is
   *  the last; `stopped` may say why. Throws {@link UnreachableError} when the stream ends otherwise. */
  watch(id: string, signal?: AbortSignal): AsyncGenerator<WatchEvent>;
  finish(id: string, request: FinishRequest): Promise<ExecCheck>;
}

export function execChecksClient(options: ClientOptions): ExecChecksClient {
  const path = (id: string, verb = '') => `/v1/exec/checks/${encodeURIComponent(id)}${verb}`;
  return {
    check: (request) => sendFor(options, { method: 'POST', path: '/v1/exec/checks', json: request }, execDecision),
    list: (query) => sendFor(options, { method: 'GET', path: '/v1/exec/checks', query: { ...query } }, execCheckPage),
    show: (id) => sendFor(options, { method: 'GET', path: path(id) }, execCheck),
    watch: (id, signal) => watch(options, path(id, '/watch'), signal),
    finish: (id, request) => sendFor(options, { method: 'POST', path: path(id, '/finish'), json: request }, execCheck),
  };
}

async function* watch(options: ClientOptions, path: string, signal?: AbortSignal): AsyncGenerator<WatchEvent> {
  const headers = { accept: 'text/event-stream' };
  const response = await send(options, { method: 'GET', path, headers, signal });
  if (response.body === null || !response.headers.get('content-type')?.startsWith('text/event-stream')) {
    throw new UnreachableError('the watch was answered with something that is not an event stream');
  }
  let rest = '';
  try {
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
      const blocks = (rest + text).split('\n\n');
      rest = blocks.pop() ?? '';
      if (rest.length > LONGEST_EVENT) throw new Error('an event without an end');
      for (const block of blocks) {
        const event = parseEvent(block);
        if (event) yield event;
        if (event && event.type !== 'alive') return;
      }
    }
  } catch (error) {
    throw new UnreachableError('the watch broke off', { cause: error });
  }
  throw new UnreachableError('the watch ended without a word');
}

const reasoned = z.object({ reason: z.string() });
const ENDS = ['revoked', 'paused', 'suspended', 'stopped'] as const;

function parseEvent(block: string): WatchEvent | undefined {
  const name = /^event: ?(.*)$/m.exec(block)?.[1];
  const type = ENDS.find((end) => end === name);
  if (type !== undefined) return { type, ...saidWith(block) };
  return block.startsWith(':') ? { type: 'alive' } : undefined;
}

/** Why somebody stopped a run. What cannot be read of it changes nothing about the word itself. */
function saidWith(block: string): { reason?: string } {
  const data = /^data: ?([^\r\n]*)/m.exec(block)?.[1] ?? '';
  try {
    const said = reasoned.safeParse(JSON.parse(data));
    return said.success ? said.data : {};
  } catch {
    return {};
  }
}
