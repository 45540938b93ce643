import { displayWidth, truncateToWidth } from './display-width.js';
import { type Colour, paint, type View } from './output.js';
import { printable } from './printable.js';

const GAP = '  ';
const MIN_WIDTH = 8;
const ROOMY_WIDTH = 100;

/** One column: its title and what a row shows in it. */
export interface Column<Row> {
  readonly title: string;
  /** The exact value, for programs. */
  value(row: Row): string;
  /** What a person reads instead of the value, such as `in 6 days`. */
  shown?(row: Row): string;
  colour?(row: Row): Colour | undefined;
  /** Never cut: an id that lost its end is of no use. */
  readonly isWhole?: boolean;
  /** Left out of a narrow terminal, so that the rest can be read. */
  readonly isSpare?: boolean;
}

/** Lays rows out. On a terminal: aligned by display width, under titles, cut to the terminal's width. Elsewhere: one line
 *  a row, exact values separated by tabs, no titles. Control characters in values are escaped in both. */
export function renderTable<Row>(all: readonly Column<Row>[], rows: readonly Row[], view: View): string[] {
  if (!view.isTerminal) {
    return rows.map((row) => all.map((column) => printable(column.value(row))).join('\t'));
  }
  const columns = view.width < ROOMY_WIDTH ? all.filter((column) => !column.isSpare) : all;
  const cells = rows.map((row) => columns.map((column) => printable(column.shown?.(row) ?? column.value(row))));
  const titles = columns.map((column) => column.title);
  const widths = columnWidths(columns, [titles, ...cells], view.width);
  const head = titles.map((title, at) => paint(pad(title, widths[at] ?? 0), 'dim', view)).join(GAP);
  const body = rows.map((row, line) =>
    columns
      .map((column, at) => paint(pad(cells[line]?.[at] ?? '', widths[at] ?? 0), column.colour?.(row), view))
      .join(GAP),
  );
  return [head, ...body].map((line) => line.trimEnd());
}

/** Lays out what is known of one thing, a line each, the names aligned. Lines without a value are left out. */
export function renderDetails(lines: readonly (readonly [string, string | null | undefined])[], view: View): string[] {
  const known = lines.flatMap(([name, value]) => (value ? [[name, printable(value)] as const] : []));
  if (!view.isTerminal) return known.map(([name, value]) => `${name}\t${value}`);
  const width = Math.max(0, ...known.map(([name]) => name.length));
  return known.map(([name, value]) => `${paint(name.padEnd(width), 'dim', view)}${GAP}${value}`);
}

function columnWidths<Row>(columns: readonly Column<Row>[], lines: readonly string[][], available: number): number[] {
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => displayWidth(line[at] ?? ''))));
  let excess = widths.reduce((sum, width) => sum + width, 0) + GAP.length * (columns.length - 1) - available;
  while (excess > 0) {
    const widest = widestFlexible(columns, widths);
    if (widest === undefined) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
    excess -= 1;
  }
  return widths;
}

function widestFlexible<Row>(columns: readonly Column<Row>[], widths: readonly number[]): number | undefined {
  let widest: number | undefined;
  for (const [at, width] of widths.entries()) {
    if (columns[at]?.isWhole || width <= MIN_WIDTH) continue;
    if (widest === undefined || width > (widths[widest] ?? 0)) widest = at;
  }
  return widest;
}

function pad(text: string, width: number): string {
  const cut = truncateToWidth(text, width);
  return cut + ' '.repeat(Math.max(0, width - displayWidth(cut)));
}
