import { z } from 'zod';
import { agentExec } from './answers.js';
import type { ExchangedToken, ServerMetadata } from './oauth-resources.js';

/** RFC 8693 section 2.2.1. The type's case does not matter (RFC 6749 section 5.1). */
export const exchangedToken: z.ZodType<ExchangedToken> = z
  .object({
    access_token: z.string().regex(/^cst_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}$/),
    issued_token_type: z.literal('urn:ietf:params:oauth:token-type:access_token'),
    token_type: z.string().regex(/^bearer$/i),
    expires_in: z.int().positive(),
    scope: z.string(),
    authorization_details: z.array(agentExec).optional(),
  })
  .meta({ id: 'ExchangedToken' });

/** What a client needs of the metadata. RFC 8414 section 2. */
export const issuerMetadata: z.ZodType<ServerMetadata> = z.object({ issuer: z.string() });
