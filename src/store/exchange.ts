import { canonicalJson } from '../rules/audit.js';
import type { Constraints } from '../rules/constraint.js';
import { tooOldFrom } from '../rules/foreign-token.js';
import { newId, printId } from '../rules/format.js';
import { addSeconds } from '../rules/lifetime.js';
import type { TokenClaims } from '../rules/trust-claims.js';
import { judgeClaims, narrowedScopes } from '../rules/trust-exchange.js';
import { jobName, recordedClaims, recordedText } from '../rules/trust-record.js';
import type { TrustRule } from '../rules/trust-rule.js';
import { type Db, inTransaction } from './database.js';
import { type Origin, recordEvents } from './events.js';
import { drawShortSecret, insertToken } from './mint.js';
import { plainly, policyRefusal } from './policy-admission.js';
import type { Secrets } from './secret.js';
import { takeOnce } from './seen.js';
import { findTrustRule } from './trust-rules.js';
import { lockWorkspace } from './workspace-lock.js';

/** A platform's token whose signature was found good for a rule. */
export interface ProvenJob {
  readonly rule: TrustRule;
  readonly claims: TokenClaims;
  /** What names the token among its issuer's. */
  readonly name: string;
  /** The scopes that are asked for; `undefined` for all that the rule gives. */
  readonly scopes: readonly string[] | undefined;
  readonly place: Pick<Origin, 'ip' | 'userAgent' | 'requestId'>;
  readonly now: Date;
}

/** What an exchange gives. `printed` is a secret. `spent` when the platform's token was exchanged before, `changed` when
 *  the rule is not the one any more that was judged, or nothing is given by it. */
export type Exchanged =
  | {
      readonly outcome: 'given';
      readonly printed: string;
      readonly scopes: readonly string[];
      readonly constraints: Constraints;
      readonly expiresAt: Date;
    }
  | { readonly outcome: 'spent' | 'changed' }
  /** The workspace's policy lets no such token be issued; the platform's is not spent. */
  | { readonly outcome: 'beyond_policy'; readonly detail: string };

/** Gives a token for a platform's, once: of those that bring the same one, on whichever node, one gets it. The rule and all
 *  that decides about it is read anew behind the lock that its changes wait for. */
export function exchangeToken(db: Db, secrets: Secrets, exchange: ProvenJob): Promise<Exchanged> {
  const { rule, claims, now } = exchange;
  const { workspaceId } = rule;
  const minted = drawShortSecret(secrets, newId('tok', now));
  return inTransaction(db, async (tx) => {
    await lockWorkspace(tx, workspaceId, 'issue');
    const facts = await findTrustRule(tx, workspaceId, rule.name);
    if (facts === undefined || canonicalJson(termsOf(facts.rule)) !== canonicalJson(termsOf(rule))) {
      return { outcome: 'changed' };
    }
    const { grant } = judgeClaims(facts, claims);
    const scopes = grant && narrowedScopes(grant.scopes, exchange.scopes);
    if (grant === undefined || scopes === undefined) return { outcome: 'changed' };
    const expiresAt = addSeconds(now, rule.expiresInSeconds);
    const { constraints } = grant;
    const issued = { workspaceId, kind: 'access', workflow: rule.workflow, creatorId: facts.rule.createdBy } as const;
    const beyond = await policyRefusal(tx, { ...issued, scopes, constraints, expiresAt }, true, now);
    if (beyond) return { outcome: 'beyond_policy', detail: plainly(beyond) };
    if (!(await takeOnce(tx, 'federated_jti', `${signerOf(rule)}\n${exchange.name}`, tooOldFrom(claims)))) {
      return { outcome: 'spent' };
    }
    await insertToken(
      tx,
      minted,
      {
        ...issued,
        ownerId: facts.rule.createdBy,
        name: jobName(rule.name, claims),
        scopes,
        constraints,
        notBefore: null,
        expiresAt,
        expiresInDays: 0,
        lineageId: minted.id,
        rotatedFrom: null,
        trustRuleId: rule.id,
      },
      now,
    );
    const event = {
      action: 'token.minted',
      target: printId('tok', minted.id),
      data: {
        workflow: rule.workflow,
        scopes,
        expires_at: expiresAt.toISOString(),
        trust_rule: rule.name,
        issuer: rule.issuer,
        subject: recordedText(claims, 'sub') ?? null,
        claims: recordedClaims(rule.claims, claims),
      },
    } as const;
    const origin = { actorType: 'system', actorId: printId('trl', rule.id), ...exchange.place } as const;
    await recordEvents(tx, workspaceId, origin, [event], now);
    return { outcome: 'given', printed: minted.printed, scopes, constraints, expiresAt };
  });
}

/** Who signs: an issuer, or, where a rule brings the keys, whoever has them under its name. The tokens of the one must not
 *  use up those of the other. */
function signerOf({ issuer, jwks, id }: TrustRule): string {
  return jwks === undefined ? issuer : printId('trl', id);
}

function termsOf({
  id,
  createdBy,
  issuer,
  audience,
  claims,
  jwks,
  workflow,
  scopes,
  constraints,
  expiresInSeconds,
}: TrustRule) {
  return { id, createdBy, issuer, audience, claims, jwks, workflow, scopes, constraints, expiresInSeconds };
}
