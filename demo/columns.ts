/** Aligns some columns of what the command line gives to programs: a line a row, values separated by tabs. */
export function aligned(table: string, columns: readonly number[]): string {
  const rows = rowsOf(table).map((row) => columns.map((at) => shortened(row[at] ?? '')));
  const widths = columns.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return lines.join('\n');
}

/** The rows of such a table. */
export function rowsOf(table: string): string[][] {
  return table
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'));
}

/** A time of day for an instant: all of the demo happens within minutes. */
function shortened(cell: string): string {
  return /^\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d)\.\d+Z$/.exec(cell)?.[1] ?? cell;
}
