import { createHash, type KeyObject, verify } from 'node:crypto';
import { accept, type Result, refuse } from '../../rules/refusal.js';
import { githubAlerts, reportGithubLeaksOperation } from '../../wire/github-leaks.js';
import type { GithubFeedback } from '../../wire/incident-resources.js';
import { callerNetwork } from '../address.js';
import { parseJson } from '../body.js';
import type { Deps } from '../deps.js';
import { jsonAnswer, parseWith, type Route } from '../endpoint.js';
import type { Exchange } from '../exchange.js';
import { endLeaked, type Finding } from '../leaked.js';
import { exhausted, limitOf } from '../rate-limit.js';

// Requests that GitHub has not signed, in a minute from one network.
const forgeries = limitOf({ points: 60, duration: 60 });

const BASE64 = /^[A-Za-z0-9+/]{1,512}={0,2}$/;

/** GitHub's secret scanning, as its partner program has it: an array of what was found, signed over the raw body. Nothing is
 *  read of it before the signature holds. */
export const reportGithubLeaksRoute: Route = {
  operation: reportGithubLeaksOperation,
  handle: async (deps, exchange) => {
    const network = callerNetwork(exchange.ip);
    const limited = await exhausted(forgeries(deps), network);
    if (limited) return limited;
    const key = await signingKey(deps, exchange);
    if (!key.ok) {
      if (key.refusal.kind === 'not_allowed') await forgeries(deps).penalty(network);
      return key;
    }
    const text = await exchange.readText(reportGithubLeaksOperation.maxBodyBytes);
    if (!text.ok) return text;
    if (!isSigned(exchange, text.value, key.value)) {
      await forgeries(deps).penalty(network);
      return refuse({ kind: 'not_allowed', detail: 'the signature does not hold' });
    }
    const json = parseJson(exchange, text.value);
    if (!json.ok) return json;
    const alerts = parseWith(githubAlerts, json.value);
    if (!alerts.ok) return alerts;
    const findings = alerts.value.flatMap(findingIn);
    const ours = await endLeaked(deps, exchange, findings.map(fromGithub));
    const feedback = findings.map((finding) => feedbackOn(finding, ours.has(finding.token)));
    return accept(jsonAnswer({ status: 200, body: feedback }));
  },
};

async function signingKey(deps: Deps, exchange: Exchange): Promise<Result<KeyObject>> {
  const identifier = exchange.header('github-public-key-identifier') ?? '';
  const found =
    identifier === '' ? ({ kind: 'unknown' } as const) : await deps.githubKeys.find(identifier, exchange.now);
  switch (found.kind) {
    case 'found':
      return accept(found.key);
    case 'unknown':
      return refuse({ kind: 'not_allowed', detail: 'the request names no key that GitHub signs with' });
    case 'unavailable':
      return refuse({ kind: 'issuer_unavailable', retryAfterSeconds: 30 });
  }
}

/** ECDSA over P-256 with SHA-256, the signature in DER. What was read as UTF-8 gives the very bytes again: what does not, a
 *  byte order mark, fails here. */
function isSigned(exchange: Exchange, body: string, key: KeyObject): boolean {
  const signature = exchange.header('github-public-key-signature') ?? '';
  if (!BASE64.test(signature)) return false;
  return verify('sha256', Buffer.from(body), { key, dsaEncoding: 'der' }, Buffer.from(signature, 'base64'));
}

/** What an item says, as far as it says something: one that is odd stops none of the others. */
function findingIn(item: Readonly<Record<string, unknown>>): (Finding & { readonly source: string | undefined })[] {
  const { token, type, url, source } = item;
  if (typeof token !== 'string') return [];
  return [{ token, type: textOf(type), url: textOf(url), source: textOf(source) }];
}

function fromGithub({ token, url, source }: ReturnType<typeof findingIn>[number]): Finding {
  return { token, url, type: source === undefined ? 'github' : `github ${source.toLowerCase()}` };
}

function feedbackOn({ token, type }: Finding, isOurs: boolean): GithubFeedback {
  return {
    token_hash: createHash('sha256').update(token, 'utf8').digest('hex'),
    token_type: type ?? '',
    label: isOurs ? 'true_positive' : 'false_positive',
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
