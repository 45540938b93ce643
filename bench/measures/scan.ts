import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { built, DIST } from '../harness/built.js';
import { median } from '../harness/statistics.js';
import { TARGETS } from '../report/targets.js';
import type { Measure } from './measure.js';

const PIECE_BYTES = 1024 * 1024;
const PIECES = 100;

/** How fast `scan` reads, on one core: the text of a build log, which holds nothing, and this service's own code, which speaks
 *  of tokens and secrets all the time. */
export const scan: Measure = {
  part: 'scan',
  title: 'Scanning',
  run: async (_stage, _ground, plan) => {
    const { createScanner } = await built<typeof import('../../src/rules/scan.js')>('rules/scan.js');
    const { createSecretScanner } =
      await built<typeof import('../../src/rules/scan-secrets.js')>('rules/scan-secrets.js');
    const texts = [
      { what: 'a build log', piece: logPiece() },
      { what: 'our own code', piece: codePiece() },
    ];
    const scanners = [
      { what: 'tokens', create: createScanner },
      { what: 'secrets of all kinds', create: createSecretScanner },
    ];
    const pairs = scanners.flatMap((scanner) => texts.map((text) => ({ scanner, text, samples: [] as number[] })));
    for (let round = 0; round < Math.min(5, plan.repeats); round += 1) {
      for (const { scanner, text, samples } of pairs) {
        const { user, system } = processorTime(() => {
          const one = scanner.create();
          for (let at = 0; at < PIECES; at += 1) one.push(text.piece);
          one.end();
        });
        samples.push((PIECE_BYTES * PIECES) / (user + system));
      }
    }
    return pairs.map(({ scanner, text, samples }) => ({
      what: `for ${scanner.what}, in ${text.what}`,
      value: median(samples),
      unit: 'MB/s' as const,
      target: TARGETS.scan,
    }));
  },
};

/** Microseconds. A scan waits for nothing, so that another process on the core does not count. */
function processorTime(work: () => void): NodeJS.CpuUsage {
  const before = process.cpuUsage();
  work();
  return process.cpuUsage(before);
}

function logPiece(): Buffer {
  let text = '';
  for (let line = 1; text.length < PIECE_BYTES; line += 1) {
    text += `2026-01-01T00:00:00.000Z  [build ${line}]  src/store/check-${line}.ts compiled in ${line % 97} ms, 0 errors\n`;
  }
  return Buffer.from(text.slice(0, PIECE_BYTES), 'latin1');
}

function codePiece(): Buffer {
  const modules = readdirSync(DIST, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.js'));
  const code = Buffer.concat(modules.sort().map((file) => readFileSync(join(DIST, file))));
  return Buffer.alloc(PIECE_BYTES, code);
}
