import { createHash, timingSafeEqual } from 'node:crypto';
import { findTokens, TOKEN_LENGTH } from '../../rules/format.js';
import { accept, type Refusal, refuse } from '../../rules/refusal.js';
import {
  GITLAB_TOKEN_TYPE,
  gitlabLeaks,
  listGitlabTokenTypesOperation,
  reportGitlabLeaksOperation,
} from '../../wire/gitlab-leaks.js';
import { callerNetwork } from '../address.js';
import { parseJson } from '../body.js';
import type { Deps } from '../deps.js';
import { jsonAnswer, type Route } from '../endpoint.js';
import type { Exchange } from '../exchange.js';
import { endLeaked, type Finding } from '../leaked.js';
import { limitOf, spent } from '../rate-limit.js';

// Requests with another token, in a minute from one network.
const strangers = limitOf({ points: 60, duration: 60 });
// Those of GitLab, which wants to be held back: one for each pipeline that found something.
const reports = limitOf({ points: 600, duration: 60 });

/** What GitLab may hand over: its token revocation API, which it asks before each report. */
export const listGitlabTokenTypesRoute: Route = {
  operation: listGitlabTokenTypesOperation,
  handle: async (deps, exchange) => {
    const refused = await refusalOf(deps, exchange);
    return refused ?? accept(jsonAnswer({ status: 200, body: { types: [GITLAB_TOKEN_TYPE] } }));
  },
};

/** What GitLab's secret detection found, as its token revocation API has it: once is as good as many times. */
export const reportGitlabLeaksRoute: Route = {
  operation: reportGitlabLeaksOperation,
  handle: async (deps, exchange) => {
    const refused = await refusalOf(deps, exchange);
    if (refused) return refused;
    const text = await exchange.readText(reportGitlabLeaksOperation.maxBodyBytes);
    if (!text.ok) return text;
    const json = parseJson(exchange, text.value);
    if (!json.ok) return json;
    const items = gitlabLeaks.safeParse(json.value);
    // What GitLab's documents have for a report that is not to be sent again.
    if (!items.success)
      return refuse({ kind: 'malformed_body', detail: 'the body is no list of 10 000 items at most' });
    await endLeaked(deps, exchange, items.data.flatMap(findingsIn));
    return accept(jsonAnswer({ status: 204 }));
  },
};

type Refused = { readonly ok: false; readonly refusal: Refusal };

/** Lets GitLab pass, by the token that the operator gave to it, however many others try from where it is. Nothing is there
 *  where none was given. */
async function refusalOf(deps: Deps, exchange: Exchange): Promise<Refused | undefined> {
  const { gitlabToken } = deps;
  if (gitlabToken === undefined) return refuse({ kind: 'not_found' });
  const header = exchange.header('authorization');
  if (header !== undefined && isSame(header.replace(/^bearer +/i, ''), gitlabToken))
    return spent(reports(deps), 'gitlab');
  const limited = await spent(strangers(deps), callerNetwork(exchange.ip));
  return limited ?? refuse({ kind: 'unauthenticated', hasCredentials: header !== undefined });
}

/** In a time that says nothing of how much of it is right. */
function isSame(told: string, expected: string): boolean {
  return timingSafeEqual(sha256(told), sha256(expected));
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest();
}

/** The tokens in an item, as far as it says something: GitLab hands over what a rule has matched, which may be a whole line. */
function findingsIn(item: Readonly<Record<string, unknown>>): Finding[] {
  const { token, location } = item;
  if (typeof token !== 'string') return [];
  const url = typeof location === 'string' ? location : undefined;
  return findTokens(token).map(({ index }) => {
    return { token: token.slice(index, index + TOKEN_LENGTH), type: 'gitlab', url };
  });
}
