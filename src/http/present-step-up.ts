import { printId } from '../rules/format.js';
import { STEP_UP_POLL_SECONDS } from '../rules/step-up.js';
import type { StepUpRow } from '../store/step-ups.js';
import type { StepUp } from '../wire/passkey-resources.js';
import { pagesUrl } from './pages-url.js';

/** The page where a step-up is decided about, as a path. */
export function stepUpPath(row: Pick<StepUpRow, 'id'>): string {
  return `/console/step-up/${printId('stp', row.id)}`;
}

/** A step-up as the wire shows it, where it stands at `now`. */
export function presentStepUp(row: StepUpRow, issuer: string, now: Date): StepUp {
  return {
    id: printId('stp', row.id),
    act: row.act,
    status: row.status === 'pending' && now >= row.expiresAt ? 'expired' : row.status,
    verification_uri: `${pagesUrl(issuer)}${stepUpPath(row)}`,
    expires_at: row.expiresAt.toISOString(),
    interval_seconds: STEP_UP_POLL_SECONDS,
  };
}
