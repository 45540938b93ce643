import type { z } from 'zod';
import type { ServiceScope } from '../rules/scope.js';

/** The problem statuses an operation may answer, beside those that any may (400, 401, 403, 404, 405, 413, 500, 503). */
export type RefusalStatus = 400 | 403 | 404 | 406 | 409 | 415 | 422 | 429;

/** One endpoint, described once: the server parses by its schemas, the OpenAPI document is made from them. */
export interface Operation {
  readonly id: string;
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** With `{name}` for path parameters. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  /** `bearer` needs a live token; `token` also takes one that has ended, of the thing itself; `proof` a proof of a key and
   *  no token; `none` is public. */
  readonly auth: 'bearer' | 'token' | 'caller' | 'proof' | 'none';
  /** Of `bearer`: takes the token as the password of HTTP Basic, too. */
  readonly takesBasic?: boolean;
  readonly scope?: ServiceScope;
  /** A token needs no scope where the path names itself; `runner`: that of a runner does not. */
  readonly isOpenToSelf?: boolean | 'runner';
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  readonly isBodyOptional?: boolean;
  /** The largest body, in bytes, where it is not 64 KiB. */
  readonly maxBodyBytes?: number;
  /** Tokens are what its body is about; elsewhere one in a body is refused. */
  readonly takesTokens?: boolean;
  readonly bodyType?: 'application/x-www-form-urlencoded' | 'application/scim+json';
  readonly headers?: readonly { readonly name: string; readonly description: string }[];
  readonly answers: Readonly<Record<number, Answer>>;
  readonly refusals: readonly RefusalStatus[];
}

/** What an operation answers when it does what it was asked. Without `contentType` it is JSON, without a `schema` either
 *  it has no body. */
export interface Answer {
  readonly description: string;
  readonly schema?: z.ZodType;
  readonly contentType?: string;
  /** A second media type that content negotiation may choose, as text. */
  readonly alsoAs?: string;
  readonly example?: unknown;
  readonly headers?: readonly string[];
}

/** Keeps the literal types of an operation's schemas, so that parsing by it is typed. */
export function operation<const O extends Operation>(it: O): O {
  return it;
}
