import { accept, invalid, type Result } from '../rules/refusal.js';
import { isReservedLabel, isWorkflowLabel } from '../rules/workflow.js';
import type { Exchange } from './exchange.js';

/** The label of a workflow that people may make and change. Refuses what is none, and the service's own. */
export function changeableLabel(exchange: Exchange): Result<string> {
  const label = exchange.params['label'] ?? '';
  if (!isWorkflowLabel(label))
    return invalid(['label'], 'must be 1 to 64 of a-z 0-9 . _ -, a letter or digit at both ends');
  if (isReservedLabel(label)) return invalid(['label'], "is the service's own");
  return accept(label);
}
