import type { SystemFigures } from './finding.js';
import type { Machine } from './machine.js';
import { figureText } from './table.js';

const WIDTH = 860;
const NAMES_WIDTH = 186;
const PANEL_WIDTH = 300;
const PANEL_GAP = 32;
const FIGURE_WIDTH = 52;
const HEAD = 92;
const ROW = 34;
const BAR = 18;
const FOOT = 44;

interface Panel {
  readonly title: string;
  readonly reading: string;
  readonly figureOf: (system: SystemFigures) => number;
}

const PANELS: readonly Panel[] = [
  {
    title: 'Requests a second, 64 connections',
    reading: 'longer is better',
    figureOf: ({ overFloor }) => overFloor.rate,
  },
  {
    title: 'Median latency, one at a time',
    reading: 'shorter is better',
    figureOf: ({ overFloor }) => overFloor.oneAtATime,
  },
];

// Follows the reader's own light or dark, also as an image in a page.
const STYLE = `
  svg { --paper: #ffffff; --ink: #1f2328; --soft: #59636e; --line: #d1d9e0; --bar: #8c959f; --own: #0969da; }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #0d1117; --ink: #f0f6fc; --soft: #9198a1; --line: #3d444d; --bar: #656c76; --own: #4493f8; }
  }
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: var(--ink); }
  .title { font-size: 16px; font-weight: 600; }
  .head { font-weight: 600; }
  .soft { fill: var(--soft); font-size: 12px; }
  .paper { fill: var(--paper); stroke: var(--line); }
  .bar { fill: var(--bar); }
  .own { fill: var(--own); }
  .line { stroke: var(--line); }`;

/** Draws the systems over the floor. */
export function chartSvg(systems: readonly SystemFigures[], machine: Machine): string {
  const height = HEAD + systems.length * ROW + FOOT;
  const panels = PANELS.map((panel, at) => panelSvg(panel, systems, NAMES_WIDTH + at * (PANEL_WIDTH + PANEL_GAP)));
  const names = systems.map(({ name }, at) => textSvg(24, middleOf(at), name, 'name'));
  const foot = `Medians of one interleaved run on ${machine.cores} cores of ${machine.cpu}, Node ${machine.node.slice(1)}. Only the ratios count: see README.md.`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Token checks over a bare node:http server">
<style>${STYLE}
</style>
<rect class="paper" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="8"/>
${textSvg(24, 34, 'A token check, over a bare node:http server that answers a constant (= 1)', 'title')}
${[...names, ...panels].join('\n')}
${textSvg(24, height - 18, foot, 'soft')}
</svg>
`;
}

function panelSvg({ title, reading, figureOf }: Panel, systems: readonly SystemFigures[], left: number): string {
  const longest = Math.max(...systems.map(figureOf).filter(Number.isFinite));
  const scale = (PANEL_WIDTH - FIGURE_WIDTH) / longest;
  const bars = systems.map((system, at) => {
    const value = figureOf(system);
    const width = Math.max(1, value * scale);
    const kind = system.name === 'countersign' || system.name === 'exec check' ? 'own' : 'bar';
    const top = middleOf(at) - BAR / 2 - 4;
    const bar = `<rect class="${kind}" x="${left}" y="${top}" width="${width.toFixed(1)}" height="${BAR}" rx="2"/>`;
    return `${bar}${textSvg(left + width + 6, middleOf(at), figureText(value, '×'), 'figure')}`;
  });
  const bottom = HEAD + systems.length * ROW - 6;
  const axis = `<line class="line" x1="${left}" y1="${HEAD - 8}" x2="${left}" y2="${bottom}"/>`;
  const heads = [textSvg(left, 62, title, 'head'), textSvg(left, 79, reading, 'soft')];
  return [...heads, axis, ...bars].join('\n');
}

function middleOf(row: number): number {
  return HEAD + row * ROW + ROW / 2;
}

function textSvg(x: number, y: number, text: string, kind: string): string {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text class="${kind}" x="${x.toFixed(1)}" y="${y}">${escaped}</text>`;
}
