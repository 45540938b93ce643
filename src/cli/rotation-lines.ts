import type { RotationReport } from '../rotator/rotate-into.js';
import { printable } from './printable.js';

const WORDS: Readonly<Record<RotationReport['outcome'], string>> = {
  rotated: 'rotated: every sink has the new secret',
  completed: 'completed what was begun: every sink has the new secret',
  not_due: 'not due',
  due: 'due',
  unfinished: 'unfinished: not every sink has the new secret',
  busy: 'left alone',
  failed: 'failed',
};

/** Whether a rotation left nothing to be done by a person. */
export function isWell({ outcome }: RotationReport): boolean {
  return outcome !== 'failed';
}

/** A report for people: what became of the token, and what is where. */
export function rotationLines(title: string, report: RotationReport): string[] {
  const detail = report.detail === undefined ? '' : `. ${report.detail}`;
  const first = `${title}: ${WORDS[report.outcome]} (${report.token}, expires ${report.expires_at})${detail}`;
  const isToldApart = report.outcome === 'failed' || report.sinks.some(({ state }) => state !== 'untouched');
  const isAhead = report.outcome === 'due' || report.outcome === 'unfinished';
  const ahead = isAhead ? report.sinks.map(({ sink }) => `  into ${sink}`) : [];
  const sinks = isToldApart
    ? report.sinks.map(({ sink, state, detail: why }) => `  ${state} ${sink}${why === undefined ? '' : `: ${why}`}`)
    : [];
  const test = report.smoke_test;
  const told = test === undefined ? [] : [test.passed ? '  passed the smoke test' : `  smoke test: ${test.detail}`];
  return [first, ...ahead, ...sinks, ...told].map(printable);
}
