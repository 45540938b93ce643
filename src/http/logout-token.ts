import { z } from 'zod';
import { isProviderName } from '../rules/sign-in.js';
import type { Verified } from './provider-keys.js';

/** Whose sessions end: all of a person's at the provider, or those of one session there. */
export interface LogoutToken {
  readonly issuer: string;
  readonly jti: string;
  readonly subject: string | undefined;
  readonly sid: string | undefined;
  /** When the provider said so. */
  readonly at: Date;
}

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const short = z.string().min(1).max(255);
const name = z.string().refine(isProviderName);

const claims = z
  .looseObject({
    jti: short,
    iat: z.number(),
    sub: name.optional(),
    sid: name.optional(),
    events: z.looseObject({ [EVENT]: z.looseObject({}) }),
    // It would be an ID token, which a browser may have handed on.
    nonce: z.undefined().optional(),
  })
  .refine(({ sub, sid }) => sub !== undefined || sid !== undefined, 'neither sub nor sid');

/** Reads what a verified logout token says. Throws when it is something else. OpenID Connect Back-Channel Logout 1.0
 *  section 2.4; `typ` is only recommended there, so that its lack is taken and another type is not. */
export function readLogoutToken({ header, payload }: Verified, issuer: string): LogoutToken {
  const { typ } = header;
  if (typ !== undefined && !/^(?:application\/)?(?:logout\+jwt|jwt)$/i.test(typ)) throw new TypeError(`a ${typ}`);
  const { jti, iat, sub, sid } = claims.parse(payload);
  return { issuer, jti, subject: sub, sid, at: new Date(iat * 1000) };
}
