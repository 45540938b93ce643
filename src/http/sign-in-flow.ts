import { z } from 'zod';
import { addSeconds } from '../rules/lifetime.js';
import { ROLES } from '../rules/role.js';
import { takeOnce } from '../store/seen.js';
import type { Person } from '../store/sign-ins.js';
import type { Deps } from './deps.js';
import type { Exchange } from './exchange.js';
import type { Kept } from './provider.js';
import { cookieOf } from './session.js';

/** A sign-in under way: what the browser keeps sealed while it is at the provider. */
export interface Flow {
  readonly kept: Kept;
  /** The path that it leads to. */
  readonly returnTo: string;
  /** The slug of the workspace that was asked for. */
  readonly workspace: string | undefined;
}

/** Somebody whom the provider has proven, and who has yet to say which workspace is meant. */
export interface Choice {
  readonly person: Person;
  readonly returnTo: string;
}

const FLOW_SECONDS = 600;
/** Each sign-in has a cookie of its own, so that those of several tabs do not end each other. */
const PREFIX = '__Host-countersign-sign-in-';
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Lax';
/** How many others may be under way beside a new one: more would outgrow what a server takes of headers. */
const MAX_OTHERS = 4;
const NAME = /^[A-Za-z0-9_-]{20,64}$/;

const flow = z.object({
  kept: z.object({ state: z.string(), nonce: z.string(), pkceVerifier: z.string() }),
  returnTo: z.string(),
  workspace: z.string().optional(),
});

const choice = z.object({
  name: z.string(),
  person: z.object({
    issuer: z.string(),
    subject: z.string(),
    address: z.string().optional(),
    name: z.string().optional(),
    sid: z.string().optional(),
    provenAt: z.coerce.date(),
    role: z.enum(ROLES).optional(),
  }),
  returnTo: z.string(),
});

/** The `Set-Cookie`s of a sign-in that begins. The state names its cookie, and is in it: no other browser can go on. */
export async function keepFlow({ seals }: Deps, exchange: Exchange, it: Flow): Promise<string[]> {
  const sealed = await seals.seal('sign-in', { ...it }, addSeconds(exchange.now, FLOW_SECONDS));
  return [...surplus(exchange), cookie(it.kept.state, sealed)];
}

/** The sign-in of a state that this browser began, once: a state that comes again means nothing. RFC 9700 section 4.7. */
export async function takeFlow(deps: Deps, exchange: Exchange, state: string): Promise<Flow | undefined> {
  const parsed = flow.safeParse(await opened(deps, exchange, 'sign-in', state));
  if (!parsed.success || parsed.data.kept.state !== state) return undefined;
  if (!(await takeOnce(deps.db, 'sign_in_state', state, addSeconds(exchange.now, FLOW_SECONDS)))) return undefined;
  const { kept, returnTo, workspace } = parsed.data;
  return { kept, returnTo, workspace };
}

/** The `Set-Cookie` of somebody who has yet to choose a workspace. `name` is of the form of a state, and new. */
export async function keepChoice({ seals }: Deps, { now }: Exchange, name: string, it: Choice): Promise<string> {
  return cookie(name, await seals.seal('workspace-choice', { ...it, name }, addSeconds(now, FLOW_SECONDS)));
}

/** Who chooses, once. */
export async function takeChoice(deps: Deps, exchange: Exchange, name: string): Promise<Choice | undefined> {
  const parsed = choice.safeParse(await opened(deps, exchange, 'workspace-choice', name));
  if (!parsed.success || parsed.data.name !== name) return undefined;
  const until = addSeconds(exchange.now, FLOW_SECONDS);
  if (!(await takeOnce(deps.db, 'sign_in_state', `choice ${name}`, until))) return undefined;
  const { issuer, subject, address, name: called, sid, provenAt, role } = parsed.data.person;
  return { person: { issuer, subject, address, name: called, sid, provenAt, role }, returnTo: parsed.data.returnTo };
}

/** The `Set-Cookie` that ends the one of a state or a choice. */
export function endedCookie(name: string): string {
  return `${PREFIX}${name}=; ${ATTRIBUTES}; Max-Age=0`;
}

async function opened(deps: Deps, exchange: Exchange, purpose: 'sign-in' | 'workspace-choice', name: string) {
  const sealed = NAME.test(name) ? cookieOf(exchange, PREFIX + name) : undefined;
  return sealed === undefined ? undefined : deps.seals.open(purpose, sealed, exchange.now);
}

function cookie(name: string, sealed: string): string {
  return `${PREFIX}${name}=${sealed}; ${ATTRIBUTES}; Max-Age=${FLOW_SECONDS}`;
}

// A browser sends its older ones first (RFC 6265 section 5.4).
function surplus(exchange: Exchange): string[] {
  const names = (exchange.header('cookie') ?? '')
    .split(';')
    .map((pair) => pair.trim().split('=', 1)[0] ?? '')
    .filter((name) => name.startsWith(PREFIX) && NAME.test(name.slice(PREFIX.length)));
  return names.slice(0, Math.max(0, names.length - MAX_OTHERS)).map((name) => endedCookie(name.slice(PREFIX.length)));
}
