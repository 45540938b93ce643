import type { z } from 'zod';
import { accept, type Result, refuse } from '../rules/refusal.js';
import { readJson } from './body.js';
import type { Deps } from './deps.js';
import { jsonAnswer, parseWith } from './endpoint.js';
import type { Answer, Exchange } from './exchange.js';
import { isFromHere } from './session.js';

/** Reads what the script of a page sends. Refuses what comes from elsewhere: a form of another site cannot send JSON, and a
 *  script of one is named by its browser. */
export async function readPageCall<T>(deps: Deps, exchange: Exchange, schema: z.ZodType<T>): Promise<Result<T>> {
  if (!isFromHere(deps, exchange)) {
    return refuse({ kind: 'not_allowed', detail: 'this was not sent by a page of this service; open it again' });
  }
  const json = await readJson(exchange, false);
  return json.ok ? parseWith(schema, json.value) : json;
}

/** Answers the script of a page. */
export function pageCallAnswer(body: unknown, cookies: readonly string[] = []): Result<Answer> {
  return accept({ ...jsonAnswer({ status: 200, body }), cookies });
}
