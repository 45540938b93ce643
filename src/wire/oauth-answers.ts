import { z } from 'zod';
import { agentExec } from './answers.js';
import type { DeviceAuthorization, ExchangedToken, ServerMetadata, TokenAnswer } from './oauth-resources.js';

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

/** What the token endpoint gives. RFC 6749 section 5.1. */
export const tokenAnswer: z.ZodType<TokenAnswer> = z
  .object({
    access_token: z.string().describe('The printed token, shown this once.'),
    token_type: z.literal('Bearer'),
    expires_in: z.int().describe('How long it is good, in seconds.'),
    scope: z.string(),
    issued_token_type: z.string().optional().describe('With a token exchange (RFC 8693 section 2.2.1).'),
    authorization_details: z
      .array(agentExec)
      .optional()
      .describe('Where the token may be used (RFC 9396 section 7), with a token exchange.'),
  })
  .meta({ id: 'TokenAnswer' });

/** RFC 8628 section 3.2. */
export const deviceAuthorization: z.ZodType<DeviceAuthorization> = z
  .object({
    device_code: z.string().describe('For the device alone: it fetches the token with it. A secret.'),
    user_code: z.string().describe('What a person reads on the device and types on the page. A secret.'),
    verification_uri: z.string(),
    verification_uri_complete: z
      .string()
      .optional()
      .describe('The same with the code behind the `#`, which browsers do not send.'),
    expires_in: z.int().describe('How long both codes are good, in seconds.'),
    interval: z.int().optional().describe('How long to wait between two questions for the token, in seconds.'),
  })
  .meta({ id: 'DeviceAuthorization' });
