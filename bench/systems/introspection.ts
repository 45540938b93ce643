import { join } from 'node:path';
import type { Subject } from '../harness/rounds.js';
import type { ServerProcess } from '../harness/server-process.js';
import type { Stage } from '../harness/stage.js';
import { type LoadRequest, writeRequests } from '../harness/wrk.js';

const FORM = 'application/x-www-form-urlencoded';
const SAMPLED = 20;

export interface LoadOptions {
  readonly stage: Stage;
  readonly name: string;
  readonly server: ServerProcess;
  readonly requests: readonly LoadRequest[];
  /** What the body of a right answer holds. */
  readonly expected: RegExp;
  readonly databaseUnder?: number;
}

/** Makes a subject of a server and the requests of its load. A sample of them is answered as expected before and after. */
export function subjectOf({ stage, name, server, requests, expected, databaseUnder }: LoadOptions): Subject {
  const file = join(stage.directory, `${name.replaceAll(/[^a-z0-9]+/g, '-')}.requests`);
  writeRequests(file, requests);
  const step = Math.max(1, Math.floor(requests.length / SAMPLED));
  const sample = requests.filter((_, at) => at % step === 0);
  return {
    name,
    server,
    file,
    verify: async () => {
      for (const { path, headers, body } of sample) {
        const answer = await fetch(`${server.url}${path}`, { method: 'POST', headers, body, signal: stage.signal });
        const text = await answer.text();
        if (!answer.ok || !expected.test(text)) throw new Error(`answered ${answer.status} ${text.slice(0, 100)}`);
      }
    },
    ...(databaseUnder === undefined ? {} : { databaseUnder }),
  };
}

/** RFC 7662 introspections of many tokens by one authenticated caller. */
export function introspections(path: string, authorization: string, tokens: readonly string[]): readonly LoadRequest[] {
  const headers = { 'Content-Type': FORM, Authorization: authorization };
  return tokens.map((token) => ({ path, headers, body: `token=${token}` }));
}
