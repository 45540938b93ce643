import { z } from 'zod';
import { deviceAuthorization, tokenAnswer } from './oauth-answers.js';
import { operation } from './operation.js';

const tokenForm = z.object({
  grant_type: z
    .string()
    .describe(
      '`urn:ietf:params:oauth:grant-type:device_code`, or `urn:ietf:params:oauth:grant-type:token-exchange` for a job of a CI platform.',
    ),
  client_id: z.string().optional().describe('`countersign-cli`, for the device code.'),
  device_code: z.string().optional(),
  subject_token: z.string().optional().describe('The JWT that the platform gave the job. Good once. A secret.'),
  subject_token_type: z
    .string()
    .optional()
    .describe('`urn:ietf:params:oauth:token-type:jwt`, or `urn:ietf:params:oauth:token-type:id_token`.'),
  requested_token_type: z.string().optional().describe('`urn:ietf:params:oauth:token-type:access_token`, if anything.'),
  audience: z
    .string()
    .optional()
    .describe('The trust rule, as `workspace/rule`. Say it where several workspaces could trust the same job.'),
  scope: z.string().optional().describe('Less than all that the trust rule gives.'),
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
  summary: 'Fetch a token by a grant (RFC 6749; device code: RFC 8628; token exchange: RFC 8693)',
  description:
    'Errors are those of RFC 6749 section 5.2. While nobody has decided about a device: `authorization_pending`, or `slow_down` for who asks too often; after that `access_denied`, `expired_token`, or the token, once. A platform’s token that no trust rule takes, for whatever reason, is `invalid_grant`; 503 `temporarily_unavailable` means that the keys of an issuer that a rule names cannot be asked for; `invalid_request` asks for `audience` when rules of several workspaces mean it. Within a workspace the first rule by name gives the token.',
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
