import { z } from 'zod';
import { MAX_PASSKEY_NAME } from '../rules/passkey.js';
import { MAX_ACT_LENGTH } from '../rules/step-up.js';
import { operation } from './operation.js';
import { passkeyLink, passkeyPage, stepUp } from './passkey-answers.js';
import type { PasskeyLinkRequest, StepUpRequest } from './passkey-resources.js';
import { line, publicId } from './primitives.js';

const passkeyLinkRequest = z
  .strictObject({ name: line(MAX_PASSKEY_NAME).min(1).optional() })
  .meta({ id: 'PasskeyLinkRequest', examples: [{ name: 'laptop' }] }) satisfies z.ZodType<PasskeyLinkRequest>;

// What a person reads before saying yes must not look like something else. Unicode Standard Annex 9 section 2.
const TURNS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

const stepUpRequest = z
  .strictObject({
    act: line(MAX_ACT_LENGTH)
      .min(1)
      .refine((text) => !TURNS.test(text), 'must not hold characters that turn the direction of text')
      .describe('What is about to be done: the `act` of the refusal.'),
  })
  .meta({
    id: 'StepUpRequest',
    examples: [{ act: 'revoke all tokens of the workspace' }],
  }) satisfies z.ZodType<StepUpRequest>;

const tag = 'passkeys';

export const listPasskeysOperation = operation({
  id: 'listPasskeys',
  method: 'get',
  path: '/v1/passkeys',
  tag,
  summary: 'List one’s own passkeys, or a member’s',
  description: 'One’s own with a sign-in token; those of another member with the scope `members:read`.',
  auth: 'bearer',
  query: z.strictObject({ member: publicId('mem').optional().describe('Whose; the caller’s own if absent.') }),
  answers: { 200: { description: 'All of them, oldest first', schema: passkeyPage } },
  refusals: [403, 422],
});

export const addPasskeyOperation = operation({
  id: 'addPasskey',
  method: 'post',
  path: '/v1/passkeys/registrations',
  tag,
  summary: 'Ask for a link to add a passkey',
  description:
    'For a person’s sign-in token. The link is good once, for ten minutes, for a passkey of the same person. Whoever has a passkey already needs a step-up.',
  auth: 'bearer',
  body: passkeyLinkRequest,
  isBodyOptional: true,
  answers: { 201: { description: 'The link', schema: passkeyLink } },
  refusals: [403, 409, 415, 422],
});

export const removePasskeyOperation = operation({
  id: 'removePasskey',
  method: 'delete',
  path: '/v1/passkeys/{id}',
  tag,
  summary: 'Remove a passkey',
  description:
    'One’s own with a sign-in token; that of a member whom one may manage with the scope `members:write`. It needs a step-up. The person’s sessions that a passkey began end with it, but for the one in which the calling token was approved.',
  auth: 'bearer',
  answers: { 204: { description: 'Removed' } },
  refusals: [403],
});

export const openStepUpOperation = operation({
  id: 'openStepUp',
  method: 'post',
  path: '/v1/step-ups',
  tag,
  summary: 'Ask the person of the calling token to confirm a dangerous act',
  description:
    'For a person’s sign-in token that was refused with `step-up-required` (RFC 9470). The person opens `verification_uri`, signs in, and confirms with a passkey; from then on this token may do dangerous things for five minutes.',
  auth: 'bearer',
  body: stepUpRequest,
  answers: { 201: { description: 'It waits', schema: stepUp, headers: ['Location'] } },
  refusals: [403, 409, 415, 422, 429],
});

export const showStepUpOperation = operation({
  id: 'showStepUp',
  method: 'get',
  path: '/v1/step-ups/{id}',
  tag,
  summary: 'Tell where a step-up of the calling token stands',
  auth: 'bearer',
  answers: { 200: { description: 'Where it stands', schema: stepUp } },
  refusals: [],
});
