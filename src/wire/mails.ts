import { z } from 'zod';
import { DELIVERY_STATUSES } from '../rules/webhook.js';
import { mailDelivery, mailDeliveryPage } from './mail-answers.js';
import { operation } from './operation.js';
import { cursor, limit } from './primitives.js';

const tag = 'mails';
const scope = 'workspace:admin';

export const listMailDeliveriesOperation = operation({
  id: 'listMailDeliveries',
  method: 'get',
  path: '/v1/mail-deliveries',
  tag,
  summary: 'List the mails of 30 days, newest first',
  auth: 'bearer',
  scope,
  query: z.strictObject({ status: z.enum(DELIVERY_STATUSES).optional(), limit, cursor }),
  answers: { 200: { description: 'A page of mails', schema: mailDeliveryPage } },
  refusals: [422],
});

export const replayMailDeliveryOperation = operation({
  id: 'replayMailDelivery',
  method: 'post',
  path: '/v1/mail-deliveries/{id}/replay',
  tag,
  summary: 'Send a mail that is over once more',
  auth: 'bearer',
  scope,
  answers: { 202: { description: 'On its way again', schema: mailDelivery } },
  refusals: [409],
});
