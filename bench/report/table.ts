import type { Chapter, Finding, SystemFigures } from './finding.js';
import { type Target, verdictOf } from './targets.js';

const VERDICTS = { aim: 'reaches the aim', must: 'holds', missed: 'MISSED' };

/** The report for a terminal. */
export function reportText(chapters: readonly Chapter[], systems: readonly SystemFigures[]): string {
  const parts = chapters.map((chapter) => `${chapter.title}\n${chapterText(chapter)}`);
  const side = systems.length === 0 ? [] : [`Each system, medians\n${systemsText(systems)}`];
  return [...side, ...parts].join('\n\n');
}

/** A figure as a person reads it. */
export function figureText(value: number, unit: Finding['unit']): string {
  const magnitude = Math.abs(value);
  const isCount = Number.isInteger(value) && unit !== '×';
  const digits = magnitude >= 100 || isCount ? 0 : magnitude >= 10 ? 1 : 2;
  const number = value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return unit === '' || unit === '/s' || unit === '×' ? `${number}${unit}` : `${number} ${unit}`;
}

function chapterText({ findings, omissions }: Chapter): string {
  const rows = findings.map(({ what, value, unit, target, note }) => [
    what,
    figureText(value, unit),
    ...targetText(value, target),
    note ?? '',
  ]);
  const table = rows.length === 0 ? '' : columns([['', 'measured', 'must', 'aim', '', ''], ...rows]);
  return [table, ...omissions.map((omission) => `  left out: ${omission}`)].filter((text) => text !== '').join('\n');
}

function targetText(value: number, target: Target | undefined): [string, string, string] {
  if (target === undefined) return ['', '', ''];
  const sign = target.bound === 'most' ? '≤' : '≥';
  return [`${sign} ${target.must}`, `${sign} ${target.aim}`, VERDICTS[verdictOf(value, target)]];
}

function systemsText(systems: readonly SystemFigures[]): string {
  const head = [
    '',
    'requests/s',
    '/ floor',
    'p50',
    'p99',
    'CPU/request',
    '/ floor',
    'PostgreSQL',
    'c=1 p50',
    '/ floor',
    'memory',
  ];
  const rows = systems.map((one) => [
    one.name,
    figureText(one.requestsPerSecond, '/s'),
    figureText(one.overFloor.rate, '×'),
    figureText(one.p50, 'ms'),
    figureText(one.p99, 'ms'),
    figureText(one.serverCpu, 'µs'),
    figureText(one.overFloor.cpu, '×'),
    figureText(one.databaseCpu, 'µs'),
    figureText(one.oneAtATimeP50, 'ms'),
    figureText(one.overFloor.oneAtATime, '×'),
    figureText(one.megabytes, 'MB'),
  ]);
  return columns([head, ...rows]);
}

/** The first column is text, the others stand to the right; the last of several is text again when it is a note. */
function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, at) =>
          at === 0 || at >= row.length - 1 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `  ${line}`)
    .join('\n');
}
