import { parseSink } from '../rotator/parse-sink.js';
import { rotateInto } from '../rotator/rotate-into.js';
import { STORED_OVERLAP_SECONDS } from '../rotator/run-rotations.js';
import { parseSmokeTest } from '../rotator/smoke-test.js';
import { print, printJson } from './output.js';
import { readingSinks, rotatingAsSignedIn } from './rotating.js';
import { isWell, rotationLines } from './rotation-lines.js';

export interface RotateIntoFlags {
  into: string[];
  smokeTest?: string;
  ifExpiresWithin?: number;
  expiresInDays?: number;
  overlapSeconds?: number;
  drainSeconds?: number;
  dryRun?: true;
  json?: true;
}

/** `rotate --into`: the secret goes to the sinks and nowhere else. Exit 1 when not all of them have it, when
 *  the smoke test fails, or when another
 *  rotation is under way. */
export async function rotateIntoSinks(token: string, flags: RotateIntoFlags): Promise<number> {
  const sinks = readingSinks(() => [...new Set(flags.into)].map((text) => parseSink(text, process.env)));
  const { smokeTest } = flags;
  const test =
    smokeTest === undefined ? undefined : readingSinks(() => parseSmokeTest(smokeTest, '--smoke-test', process.env));
  const report = await rotateInto(await rotatingAsSignedIn(), {
    token,
    sinks,
    smokeTest: test,
    due: { ifExpiresWithinDays: flags.ifExpiresWithin },
    request: {
      expires_in_days: flags.expiresInDays,
      overlap_seconds: flags.overlapSeconds ?? STORED_OVERLAP_SECONDS,
      drain_seconds: flags.drainSeconds,
    },
    leaveSeconds: 0,
    isDryRun: flags.dryRun === true,
  });
  if (flags.json) printJson(report);
  else for (const line of rotationLines(token, report)) print(line);
  return isWell(report) && report.outcome !== 'busy' ? 0 : 1;
}
