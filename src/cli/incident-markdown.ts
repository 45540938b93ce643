import type { IncidentReport, IncidentSighting, IncidentUse } from '../sdk/index.js';
import { printable } from './printable.js';

/** An incident as a report that a person can hand in: plain Markdown, complete, without a secret. What others have said is
 *  shown as text: no link of theirs can be clicked. */
export function incidentMarkdown(report: IncidentReport): string {
  const { token } = report;
  return [
    `# Incident ${report.id}`,
    '',
    SUMMARY[report.kind],
    '',
    table(
      ['', ''],
      [
        ['status', report.status],
        ['opened', report.opened_at],
        ['last seen', report.last_seen_at],
        ['times seen', report.times_seen.toString()],
        ['closed', report.closed_at ?? 'no'],
        ['closed by', report.closed_by ?? ''],
        ['note', report.closed_note ?? ''],
      ],
    ),
    '',
    '## The token',
    '',
    table(
      ['', ''],
      [
        ['id', token.id],
        ['name', token.name ?? ''],
        ['workflow', token.workflow],
        ['scopes', token.scopes.join(' ')],
        ['bound to', JSON.stringify(token.constraints)],
        ['creator', token.creator.email],
        ['owner', token.owner.email],
        ['made', token.created_at],
        ['would have expired', token.expires_at],
        ['was, when the incident was opened', report.token_was],
        ['is now', token.status],
        ['last used', token.last_used_at ?? 'never, as far as is on record'],
        ['last used from', token.last_used_ip ?? ''],
        ['last asked about by', token.last_used_by ?? ''],
      ],
    ),
    '',
    '## Where it was seen',
    '',
    table(
      ['when', 'what', 'where', 'address', 'asked by'],
      report.seen.map(({ at, type, url, ip, by }: IncidentSighting) => [at, type ?? '', url ?? '', ip ?? '', by ?? '']),
    ),
    '',
    '## What was done',
    '',
    report.revoked.length === 0
      ? `Nothing had to be revoked: the token was ${report.token_was} already.`
      : `Revoked, with the jobs under way: ${report.revoked.map(code).join(', ')}.`,
    '',
    '## Who used it',
    '',
    `The last ${report.uses.length} exec checks, newest first.`,
    '',
    table(
      [
        'when',
        'check',
        'decision',
        'repository',
        'ref',
        'environment',
        'job',
        'command',
        'address',
        'runner',
        'asked by',
        'run',
        'finished',
      ],
      report.uses.map(useCells),
    ),
    '',
    `Tokens that asked about it, as far as is on record: ${report.asked_by.map(code).join(', ') || 'none'}.`,
    '',
    '## The other tokens of its lineage',
    '',
    table(
      ['token', 'status', 'expires', 'last used'],
      report.siblings.map(({ id, status, expires_at, last_used_at }) => [
        id,
        status,
        expires_at,
        last_used_at ?? 'never',
      ]),
    ),
  ].join('\n');
}

const SUMMARY = {
  leak: 'The secret of a token was found where it does not belong.',
  reuse: 'The secret of a token that is dead was used, and refused.',
} as const;

function useCells(use: IncidentUse): string[] {
  const { repository, ref, environment, job, command, ip, runner_id, run_status, finished_at } = use;
  const context = [repository, ref, environment, job, command, ip, runner_id].map((text) => text ?? '');
  return [use.at, use.check_id, use.decision, ...context, use.caller_token_id, run_status ?? '', finished_at ?? ''];
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = rows.filter((cells) => cells.some((cell, at) => at > 0 && cell !== ''));
  if (lines.length === 0) return 'None.';
  return [titles, titles.map(() => '---'), ...lines.map((cells) => cells.map(cell))].map(rowOf).join('\n');
}

function rowOf(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function cell(text: string, at: number): string {
  return at === 0 && !/[^a-z0-9 ,:.TZ_-]/i.test(text) ? text : code(text);
}

/** A code span that nothing in the text can end: GitHub's Markdown parts cells at bars, and spans at backticks. */
function code(text: string): string {
  if (text === '') return '';
  return `\`${printable(text).replaceAll('`', 'ˋ').replaceAll('|', '¦')}\``;
}
