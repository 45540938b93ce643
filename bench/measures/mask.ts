import { built } from '../harness/built.js';
import { median } from '../harness/statistics.js';
import { TARGETS } from '../report/targets.js';
import type { Measure } from './measure.js';

const PIECE_BYTES = 65_536;
const PIECES = 2_000;
const MEGABYTES = (PIECE_BYTES * PIECES) / 1e6;

/** How fast the guard masks a job's output: text of a build log, a token in every hundredth piece. */
export const mask: Measure = {
  part: 'mask',
  title: 'Masking',
  run: async (_stage, _ground, plan) => {
    const { Masker, secretPatterns } = await built<typeof import('../../src/runner/mask.js')>('runner/mask.js');
    const { newId, newTokenSecret, printToken } =
      await built<typeof import('../../src/rules/format.js')>('rules/format.js');
    const token = printToken({ id: newId('tok', new Date()), tokenSecret: newTokenSecret() });
    const plain = logPiece();
    const leaking = Buffer.from(plain);
    leaking.write(token, PIECE_BYTES / 2, 'latin1');
    const pieceAt = (at: number) => (at % 100 === 0 ? leaking : plain);

    const masked: number[] = [];
    for (let round = 0; round < Math.min(5, plan.repeats); round += 1) {
      const masker = new Masker(secretPatterns(token));
      masked.push(megabytesASecond((at) => masker.push(pieceAt(at))));
    }
    return [{ what: "masking a job's output", value: median(masked), unit: 'MB/s', target: TARGETS.mask }];
  },
};

function megabytesASecond(take: (at: number) => unknown): number {
  const startedMs = performance.now();
  for (let at = 0; at < PIECES; at += 1) take(at);
  return MEGABYTES / ((performance.now() - startedMs) / 1000);
}

function logPiece(): Buffer {
  let text = '';
  for (let line = 1; text.length < PIECE_BYTES; line += 1) {
    text += `2026-01-01T00:00:00.000Z  [build ${line}]  src/store/check-${line}.ts compiled in ${line % 97} ms, 0 errors\n`;
  }
  return Buffer.from(text.slice(0, PIECE_BYTES), 'latin1');
}
