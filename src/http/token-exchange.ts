import { timeFault } from '../rules/foreign-token.js';
import { accept, type OAuthErrorCode, type Refusal, type Result, refuse } from '../rules/refusal.js';
import { isScope } from '../rules/scope.js';
import { audienceOf, judgeClaims, narrowedScopes } from '../rules/trust-exchange.js';
import type { VerifyKey } from '../rules/verify-key.js';
import { isWorkflowLabel } from '../rules/workflow.js';
import { exchangeToken } from '../store/exchange.js';
import { rulesFor, type TrustRuleView } from '../store/trust-rules.js';
import { callerNetwork } from './address.js';
import type { Form } from './body.js';
import type { Deps } from './deps.js';
import { placeOf } from './endpoint.js';
import type { Exchange } from './exchange.js';
import { type ForeignToken, isSignedBy, readForeignToken } from './foreign-token.js';
import type { IssuedToken } from './issued-token.js';
import type { FoundKey } from './issuer-keys.js';
import { exhausted, limitOf, spent } from './rate-limit.js';

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const SUBJECT_TYPES = ['urn:ietf:params:oauth:token-type:jwt', 'urn:ietf:params:oauth:token-type:id_token'];

// Each costs a few reads and a signature. A whole company's jobs may come from one address.
const attempts = limitOf({ points: 600, duration: 60 });
const misses = limitOf({ points: 60, duration: 60 });

// How many rules the log tells of.
const MAX_LOGGED = 10;

// One text for whatever no rule takes, so that nobody learns what rules there are.
const NOT_TAKEN = 'no trust rule takes the subject token';

interface Asked {
  readonly token: ForeignToken;
  readonly audience: string;
  readonly named: { readonly workspaceSlug: string; readonly name: string } | undefined;
  readonly scopes: readonly string[] | undefined;
}

/** Exchanges a CI platform's token for one of a workflow, by the trust rules. RFC 8693 section 2. */
export async function tokenExchangeGrant(deps: Deps, exchange: Exchange, form: Form): Promise<Result<IssuedToken>> {
  const network = callerNetwork(exchange.ip);
  const limited = (await spent(attempts(deps), network)) ?? (await exhausted(misses(deps), network));
  if (limited) return limited;
  const asked = readRequest(form, exchange.now);
  const given = asked.ok ? await exchanged(deps, exchange, asked.value) : asked;
  // An outage is nobody's guess: the jobs of a company come again, and are let in when it is over.
  if (!given.ok && given.refusal.kind !== 'issuer_unavailable') await misses(deps).penalty(network);
  return given;
}

/** All that can be seen without asking anybody: the form, the token's form, its times. */
function readRequest(form: Form, now: Date): Result<Asked> {
  const { subject_token: subject, subject_token_type: type, requested_token_type: wanted } = form;
  if (subject === undefined) return refused('invalid_request', 'subject_token is missing');
  if (type === undefined || !SUBJECT_TYPES.includes(type)) {
    return refused('invalid_request', `subject_token_type must be ${SUBJECT_TYPES.join(' or ')}`);
  }
  if (wanted !== undefined && wanted !== ACCESS_TOKEN) {
    return refused('invalid_request', `requested_token_type can only be ${ACCESS_TOKEN}`);
  }
  if (form['actor_token'] !== undefined || form['actor_token_type'] !== undefined) {
    return refused('invalid_request', 'an actor_token is not taken: nobody acts for a job');
  }
  if (form['resource'] !== undefined) return refused('invalid_target', 'a resource is not taken: the rule says where');
  const named = readAudience(form['audience']);
  if (!named.ok) return named;
  const scopes = form['scope']?.split(' ').filter((scope) => scope !== '');
  if (scopes?.some((scope) => !isScope(scope))) return refused('invalid_scope', 'scope holds something that is none');
  const token = readForeignToken(subject);
  const [audience, ...others] = (token && audienceOf(token.claims)) ?? [];
  if (token === undefined || audience === undefined || others.length > 0) {
    return refused('invalid_grant', 'the subject token is no signed JWT of one issuer for one audience');
  }
  const late = timeFault(token.claims, now);
  if (late !== undefined) return refused('invalid_grant', late);
  return accept({ token, audience, named: named.value, scopes: scopes && [...new Set(scopes)] });
}

/** Which rule is meant: `workspace/rule`. */
function readAudience(audience: string | undefined): Result<Asked['named']> {
  if (audience === undefined) return accept(undefined);
  const [workspaceSlug = '', name = '', ...rest] = audience.split('/');
  const isForm = isWorkflowLabel(workspaceSlug) && isWorkflowLabel(name) && rest.length === 0;
  return isForm ? accept({ workspaceSlug, name }) : refused('invalid_target', 'audience must be workspace/rule');
}

async function exchanged(deps: Deps, exchange: Exchange, asked: Asked): Promise<Result<IssuedToken>> {
  const { token, audience, named } = asked;
  const rules = await rulesFor(deps.db, { issuer: token.issuer, audience }, named);
  const published = await publishedKey(deps, token, rules, exchange.now);
  const signed = await rulesThatBelieve(token, rules, published);
  const judged = signed.map((view) => ({ view, verdict: judgeClaims(view, token.claims) }));
  const meant = judged.filter(({ verdict }) => verdict.isMeant);
  if (new Set(meant.map(({ view }) => view.rule.workspaceId)).size > 1) {
    // Also when all but one give nothing now: a job must not fall into another workspace because its own paused something.
    return refused('invalid_request', 'rules of several workspaces mean it: say audience as workspace/rule');
  }
  // By name within the workspace, as they were read.
  const first = meant.find(({ verdict }) => verdict.grant !== undefined)?.view;
  if (first === undefined) {
    // Also when none of the claims match: what is not signed must not be what somebody tries claims with.
    if (published?.kind === 'away') {
      return refuse({ kind: 'issuer_unavailable', retryAfterSeconds: published.retryAfterSeconds });
    }
    const why = judged.slice(0, MAX_LOGGED).map(({ view, verdict }) => ({
      workspace: view.workspaceSlug,
      rule: view.rule.name,
      claims: verdict.checks.filter(({ isMatch }) => !isMatch).map(({ claim }) => claim),
      reasons: verdict.reasons,
    }));
    const facts = { issuer: token.issuer, kid: token.kid, rules: rules.length, signed: signed.length, why };
    deps.log.info({ requestId: exchange.requestId, ...facts }, 'no trust rule took a platform’s token');
    return refused('invalid_grant', NOT_TAKEN);
  }
  return given(deps, exchange, asked, first);
}

/** The issuer's key, which is looked for once, if a rule does not bring its own. */
async function publishedKey(deps: Deps, token: ForeignToken, rules: readonly TrustRuleView[], now: Date) {
  const isFetched = rules.some(({ rule }) => rule.jwks === undefined);
  return isFetched ? deps.issuerKeys.find(token.issuer, token.kid, now) : undefined;
}

/** The rules for which the token was signed: by its issuer's key, or by one that the rule itself brings. */
async function rulesThatBelieve(
  token: ForeignToken,
  rules: readonly TrustRuleView[],
  published: FoundKey | undefined,
): Promise<TrustRuleView[]> {
  const isPublished = published?.kind === 'found' && (await isSignedBy(token, published.key));
  const believed = await Promise.all(
    rules.map(async ({ rule }) => (rule.jwks === undefined ? isPublished : isSignedByOne(token, rule.jwks.keys))),
  );
  return rules.filter((_, at) => believed[at]);
}

async function isSignedByOne(token: ForeignToken, keys: readonly VerifyKey[]): Promise<boolean> {
  const key = keys.find(({ kid }) => kid === token.kid);
  return key !== undefined && isSignedBy(token, key);
}

async function given(deps: Deps, exchange: Exchange, asked: Asked, view: TrustRuleView): Promise<Result<IssuedToken>> {
  const { rule } = view;
  if (narrowedScopes(rule.scopes, asked.scopes) === undefined) {
    return refused('invalid_scope', 'the trust rule does not give all of these scopes');
  }
  const { claims, name } = asked.token;
  const job = { rule, claims, name, scopes: asked.scopes, place: placeOf(exchange), now: exchange.now };
  const result = await exchangeToken(deps.db, deps.secrets, job);
  switch (result.outcome) {
    case 'spent':
      return refused('invalid_grant', 'the subject token was exchanged before: get another one from the platform');
    case 'beyond_policy':
      // The job's own workspace says it, to a job that a rule of it means.
      return refused('invalid_grant', result.detail);
    case 'changed':
      return refused('invalid_grant', NOT_TAKEN);
    case 'given': {
      deps.metrics.tokens('minted', 1);
      const { printed, scopes, expiresAt, constraints } = result;
      return accept({ printed, scopes, expiresAt, exchange: { issuedTokenType: ACCESS_TOKEN, constraints } });
    }
  }
}

function refused(error: OAuthErrorCode, detail: string): { readonly ok: false; readonly refusal: Refusal } {
  return refuse({ kind: 'oauth', error, detail });
}
