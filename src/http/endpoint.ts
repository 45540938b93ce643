import type { z } from 'zod';
import { findTokens, printId } from '../rules/format.js';
import { accept, type FieldError, pointerTo, type Refusal, type Result, refuse } from '../rules/refusal.js';
import type { TokenFacts } from '../rules/token.js';
import type { Origin } from '../store/events.js';
import type { Operation } from '../wire/operation.js';
import { fieldErrors } from '../wire/primitives.js';
import { authenticate, authorize } from './authenticate.js';
import { basicAsBearer, offeringBasic } from './basic.js';
import { readJson } from './body.js';
import type { Deps } from './deps.js';
import type { Answer, Exchange } from './exchange.js';
import { scrub } from './log.js';
import type { Handle } from './respond.js';
import { isSelf } from './visible.js';

/** What an endpoint answers when it does not refuse. */
export interface Reply {
  readonly status: number;
  readonly body?: unknown;
  /** Sent as it is, in place of a JSON body: the headers say what it is. */
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A path, a method, and what happens there. */
export interface Route {
  readonly operation: Pick<Operation, 'method' | 'path'>;
  readonly handle: Handle;
}

type Parsed<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined;
type Caller<O extends Operation> = O extends { auth: 'bearer' } ? TokenFacts : undefined;

/** A request whose caller is known and whose query and body were read by the operation's schemas. */
export interface Call<O extends Operation> extends Exchange {
  readonly caller: Caller<O>;
  readonly query: Parsed<O['query']>;
  readonly body: Parsed<O['body']>;
}

/** Makes a route of an operation: authenticate, authorize, parse, then `act`. */
export function endpoint<O extends Operation>(
  operation: O,
  act: (deps: Deps, call: Call<O>) => Promise<Result<Reply>>,
): Route {
  return {
    operation,
    handle: async (deps, exchange) => {
      const caller = await admitted(deps, exchange, operation);
      if (!caller.ok) return caller;
      const query = parseQuery(exchange, operation);
      if (!query.ok) return query;
      const body = await parseBody(exchange, operation);
      if (!body.ok) return body;
      // The three were parsed by the schemas of this very operation.
      const call = { ...exchange, caller: caller.value, query: query.value, body: body.value } as Call<O>;
      const reply = await act(deps, call);
      return reply.ok ? accept(jsonAnswer(reply.value)) : reply;
    },
  };
}

const JSON_TYPE = { 'content-type': 'application/json' };

/** Answers with JSON or a text, or with nothing when there is no body. */
export function jsonAnswer({ status, body, text, headers }: Reply): Answer {
  if (text !== undefined) return { status, headers: headers ?? {}, body: text };
  if (body === undefined) return { status, headers: headers ?? {} };
  return { status, headers: headers ? { ...JSON_TYPE, ...headers } : JSON_TYPE, body: JSON.stringify(body) };
}

/** Who acts, for the audit trail. Everything of a token's form is struck out of what the caller says of itself. */
export function originOf(caller: TokenFacts, exchange: Exchange): Origin {
  return {
    actorType: 'member',
    actorId: printId('mem', caller.creatorId),
    via: printId('tok', caller.id),
    ...placeOf(exchange),
  };
}

/** The part of an origin that the request tells. */
export function placeOf(exchange: Exchange): Pick<Origin, 'ip' | 'userAgent' | 'requestId'> {
  const userAgent = exchange.header('user-agent');
  return {
    ip: exchange.ip,
    userAgent: userAgent === undefined ? undefined : scrub(userAgent).slice(0, 256),
    requestId: exchange.requestId,
  };
}

async function admitted(deps: Deps, exchange: Exchange, operation: Operation): Promise<Result<TokenFacts | undefined>> {
  if (operation.auth !== 'bearer') return accept(undefined);
  const caller = await authenticate(deps, operation.takesBasic ? basicAsBearer(exchange) : exchange);
  if (!caller.ok && operation.takesBasic) return refuse(offeringBasic(caller.refusal));
  if (!caller.ok || operation.scope === undefined) return caller;
  const isOpen = operation.isOpenToSelf === 'runner' ? caller.value.kind === 'runner' : operation.isOpenToSelf;
  if (isOpen && isSelf(exchange, caller.value)) return caller;
  return authorize(caller.value, operation.scope);
}

/** Reads a query string by a schema; each parameter once. */
export function parseQuery({ search }: Exchange, operation: Operation): Result<unknown> {
  const values = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(search)) {
    if (values.has(name)) return invalidAt([{ pointer: pointerTo([name]), detail: 'must not be repeated' }]);
    values.set(name, value);
  }
  if (operation.query !== undefined) return parseWith(operation.query, Object.fromEntries(values));
  const unknown = [...values.keys()].map((name) => ({ pointer: pointerTo([name]), detail: 'is not known here' }));
  return unknown.length > 0 ? invalidAt(unknown) : accept(undefined);
}

/** Reads a JSON body by a schema. A token has no place in it: it would end up in the database. */
async function parseBody(exchange: Exchange, operation: Operation): Promise<Result<unknown>> {
  if (operation.body === undefined) return accept(undefined);
  const { isBodyOptional, bodyType, maxBodyBytes, takesTokens } = operation;
  const json = await readJson(exchange, isBodyOptional === true, bodyType, maxBodyBytes);
  if (!json.ok) return json;
  const value = json.value === undefined ? {} : json.value;
  const misplaced = takesTokens ? [] : tokenFaults(value, []);
  if (misplaced.length > 0) return invalidAt(misplaced);
  return parseWith(operation.body, value);
}

/** Reads a value by a schema. Refuses `invalid`. */
export function parseWith<T>(schema: z.ZodType<T>, value: unknown): Result<T> {
  const parsed = schema.safeParse(value);
  return parsed.success ? accept(parsed.data) : invalidAt(fieldErrors(parsed.error));
}

// No message is half as deep; a hostile one would end in a stack overflow.
const MAX_DEPTH = 16;

function tokenFaults(value: unknown, path: readonly (string | number)[]): FieldError[] {
  if (path.length > MAX_DEPTH) return [{ pointer: '#', detail: 'is nested too deeply' }];
  if (typeof value === 'string') {
    const isToken = findTokens(value).length > 0;
    return isToken ? [{ pointer: pointerTo(path), detail: 'must not hold a token' }] : [];
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => tokenFaults(member, [...path, key]));
}

function invalidAt(errors: readonly FieldError[]): { readonly ok: false; readonly refusal: Refusal } {
  return refuse({ kind: 'invalid', errors });
}
