import { mintedToken, token } from './answers.js';
import { operation } from './operation.js';

const tag = 'tokens';

export const takeOverTokenOperation = operation({
  id: 'takeOverToken',
  method: 'post',
  path: '/v1/tokens/{id}/take-over',
  tag,
  summary: 'Take over a token whose creator left',
  description:
    'By the member that `takeover_by` names, before `takeover_until`. Makes a new token of the caller, with the same workflow and name and at most the scopes, the places and the time that are left of the old one, that the workflow’s policy of today allows and that the caller may hand on; the old one is revoked. Once: a second call is refused with `takeover_state`. After a lost answer the caller finds the new token in its list and rotates it.',
  auth: 'bearer',
  scope: 'tokens:mint',
  answers: { 201: { description: 'The new token', schema: mintedToken, headers: ['Location'] } },
  refusals: [409],
});

export const unfreezeTokenOperation = operation({
  id: 'unfreezeToken',
  method: 'post',
  path: '/v1/tokens/{id}/unfreeze',
  tag,
  summary: 'Let a frozen token be good again',
  description:
    'By an owner or admin who holds what the token may do, and who is not its creator unless it was frozen for not being used. Its days without use begin anew. Refused with `member_state` while its creator is not active, and with `token_not_active` for a token that has ended. One that is not frozen stays as it is.',
  auth: 'bearer',
  scope: 'tokens:mint',
  answers: { 200: { description: 'The token', schema: token } },
  refusals: [409],
});
