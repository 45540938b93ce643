import type { Writable } from 'node:stream';
import { oneLine } from './command-text.js';
import { maskText } from './mask.js';
import { type Verdict, writeVerdict } from './verdict.js';

/** How the guard talks: lines on standard error to a person, or the verdict alone to a program. */
export interface Report {
  note(text: string): void;
  /** Tells the verdict, writes it down, and gives the exit code. */
  close(verdict: Verdict): number;
}

export interface ReportOptions {
  /** What must not show in anything that is said. */
  readonly secrets: readonly string[];
  readonly isJson: boolean;
  readonly statusFile: string | undefined;
}

// A stop was told when it began.
/** Makes a report. Whatever it says has no token in it and steers no terminal. */
export function makeReport(options: ReportOptions, stderr: Writable): Report {
  // Nobody may be there to be told: that is no reason to leave the job without a guard.
  stderr.on('error', () => undefined);
  const write = (text: string) => void stderr.write(`${oneLine(maskText(text, ...options.secrets))}\n`);
  const note = (text: string) => {
    if (!options.isJson) write(`countersign: ${text}`);
  };
  return {
    note,
    close(told) {
      const reasons = told.reasons.map(({ code, detail }) => ({ code, detail: maskText(detail, ...options.secrets) }));
      const verdict = { ...told, reasons };
      for (const line of linesOf(verdict)) note(line);
      if (options.statusFile !== undefined) record(options.statusFile, verdict, write);
      if (options.isJson) write(JSON.stringify(verdict));
      return verdict.guard_exit_code ?? 1;
    },
  };
}

function record(path: string, verdict: Verdict, write: (text: string) => void): void {
  try {
    writeVerdict(path, verdict);
  } catch (error) {
    write(`countersign: cannot write ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function linesOf({ verdict, reasons }: Verdict): string[] {
  switch (verdict) {
    case 'unfinished':
    case 'ran':
    case 'stopped':
      return [];
    case 'refused':
      return reasons.map(({ code, detail }) => `refused (${code}): ${detail}`);
    case 'unreachable':
      return reasons.map(({ detail }) => `nothing was started: ${detail}`);
    case 'not_started':
      return reasons.map(({ detail }) => `the command could not be started: ${detail}`);
  }
}
