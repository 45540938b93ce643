import type { z } from 'zod';
import { accept, type FieldError, invalid, pointerTo, type Result, refuse } from '../rules/refusal.js';
import { claimValueFault } from '../rules/trust-claims.js';
import { claimFaults, eventClaim, isSharedIssuer, presetIssuer, sharedPreset } from '../rules/trust-preset.js';
import type { Claims, TrustRuleTerms } from '../rules/trust-rule.js';
import type { trustRuleRequest } from '../wire/trust-rules.js';
import type { Deps } from './deps.js';

type Asked = z.output<typeof trustRuleRequest>;

/** What a rule is to say, of what was asked: the issuer and the audience filled in, events among the claims. Refuses
 *  `invalid` for a rule that would trust more than anybody can mean. */
export function termsOf(deps: Pick<Deps, 'issuer' | 'allowedPrivateNetworks'>, asked: Asked): Result<TrustRuleTerms> {
  const issuer = asked.issuer ?? (asked.preset && presetIssuer(asked.preset));
  if (issuer === undefined) {
    return invalid(['issuer'], asked.preset ? `must be given: each ${asked.preset} has its own` : 'is missing');
  }
  const claims = claimsOf(asked, issuer);
  if (!claims.ok) return claims;
  const facts = { preset: asked.preset, issuer, claims: claims.value, allowsForks: asked.allow_forks };
  const errors = [...issuerFaults(deps, asked, issuer), ...valueFaults(claims.value), ...claimFaults(facts)];
  if (errors.length > 0) return refuse({ kind: 'invalid', errors });
  return accept({
    preset: asked.preset,
    issuer,
    audience: asked.audience ?? deps.issuer,
    claims: claims.value,
    jwks: asked.jwks,
    workflow: asked.workflow,
    scopes: asked.scopes,
    constraints: asked.constraints,
    expiresInSeconds: asked.expires_in_seconds,
  });
}

function claimsOf({ claims, events, preset }: Asked, issuer: string): Result<Claims> {
  const plain = Object.fromEntries(Object.entries(claims).map(([claim, values]) => [claim, [...new Set(values)]]));
  if (events === undefined) return accept(plain);
  const claim = eventClaim(sharedPreset(issuer) ?? preset);
  if (claim === undefined) return invalid(['events'], 'is known of no such issuer: say the claim itself');
  if (Object.hasOwn(plain, claim)) return invalid(['events'], `is said twice: claims has ${claim} too`);
  return accept({ ...plain, [claim]: [...new Set(events)] });
}

function issuerFaults(
  deps: Pick<Deps, 'issuer' | 'allowedPrivateNetworks'>,
  { preset, jwks }: Asked,
  issuer: string,
): FieldError[] {
  const fault = (pointer: string, detail: string) => [{ pointer, detail }];
  const shared = sharedPreset(issuer);
  if (issuer.replace(/\/+$/, '') === deps.issuer)
    return fault('#/issuer', 'is this service: its tokens are no proof of a job');
  if (preset !== undefined && shared !== undefined && preset !== shared) {
    return fault('#/preset', `must be ${shared}: the issuer is`);
  }
  if (jwks !== undefined && isSharedIssuer(issuer)) return fault('#/jwks', 'are fetched from this issuer itself');
  if (jwks === undefined && issuer.startsWith('http:') && deps.allowedPrivateNetworks.length === 0) {
    return fault('#/issuer', 'must be an https:// URL, because its keys are fetched: or say them as jwks');
  }
  return [];
}

function valueFaults(claims: Claims): FieldError[] {
  return Object.entries(claims).flatMap(([claim, values]) =>
    values.flatMap((value, at) => {
      const detail = claimValueFault(claim, value);
      return detail === undefined ? [] : [{ pointer: pointerTo(['claims', claim, at]), detail }];
    }),
  );
}
