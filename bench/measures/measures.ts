import { kill } from './kill.js';
import { leak } from './leak.js';
import { mask } from './mask.js';
import type { Measure } from './measure.js';
import { memory } from './memory.js';
import { mint } from './mint.js';
import { revoke } from './revoke.js';
import { scan } from './scan.js';
import { sizes } from './sizes.js';
import { stale } from './stale.js';
import { start } from './start.js';
import { watch } from './watch.js';
import { workers } from './workers.js';

/** The measures, in the order in which they run. */
export const MEASURES: readonly Measure[] = [
  sizes,
  workers,
  mint,
  revoke,
  start,
  watch,
  memory,
  stale,
  mask,
  scan,
  kill,
  leak,
];
