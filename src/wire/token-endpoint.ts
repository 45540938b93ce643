import { z } from 'zod';
import { agentExec } from './answers.js';
import { operation } from './operation.js';
import type { DeviceAuthorization, TokenAnswer } from './token-endpoint-resources.js';

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

const tokenForm = z.object({
  grant_type: z.string().describe('`urn:ietf:params:oauth:grant-type:device_code`.'),
  client_id: z.string().optional().describe('`countersign-cli`, for the device code.'),
  device_code: z.string().optional(),
});

const deviceForm = z.object({
  client_id: z.string().describe('`countersign-cli`.'),
  client_name: z.string().optional().describe('What the device calls itself, such as its host name.'),
  scope: z.string().optional().describe('Less than all that the person may do.'),
});

const tag = 'OAuth';
const form = 'application/x-www-form-urlencoded';

export const tokenOperation = operation({
  id: 'token',
  method: 'post',
  path: '/oauth2/token',
  tag,
  summary: 'Fetch a token by a grant (RFC 6749; device code: RFC 8628)',
  description:
    'Errors are those of RFC 6749 section 5.2. While nobody has decided about a device: `authorization_pending`, or `slow_down` for who asks too often; after that `access_denied`, `expired_token`, or the token, once.',
  auth: 'none',
  body: tokenForm,
  bodyType: form,
  answers: { 200: { description: 'The token, shown this once', schema: tokenAnswer } },
  refusals: [429],
});

export const deviceAuthorizationOperation = operation({
  id: 'deviceAuthorization',
  method: 'post',
  path: '/oauth2/device_authorization',
  tag,
  summary: 'Ask, as a device, to act for a person (RFC 8628)',
  description:
    'Needs no credentials. Somebody who is signed in on the pages types the user code at `verification_uri` and sees who asks, from where, and for what, before a yes. The token is good for 12 hours at most.',
  auth: 'none',
  body: deviceForm,
  bodyType: form,
  answers: { 200: { description: 'Waiting for a person', schema: deviceAuthorization } },
  refusals: [429],
});
