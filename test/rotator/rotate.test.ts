import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { parseSink } from '../../src/rotator/parse-sink.js';
import { type Rotating, type RotationOrder, rotateInto } from '../../src/rotator/rotate-into.js';
import { takeRotationLock } from '../../src/rotator/rotation-lock.js';
import { type Sink, SinkError } from '../../src/rotator/sink.js';
import { parseSmokeTest, type SmokeTest } from '../../src/rotator/smoke-test.js';
import { type Client, ProblemError } from '../../src/sdk/index.js';
import { commandLine, removeTemporaryDirectories, temporaryDirectory } from '../cli/command-line.js';
import { createListeningService, type ListeningService } from '../setup/listening.js';
import { AWS_ENV, awsSecretOf, currentOf, type FakeAws, openFakeAws } from './fake-aws.js';
import { type FakeGoogle, googleVersion, openFakeGoogle } from './fake-google.js';

let service: ListeningService;
let aws: FakeAws;
let google: FakeGoogle;

beforeAll(async () => {
  service = await createListeningService();
  aws = await openFakeAws();
  google = await openFakeGoogle();
  for (const [name, value] of Object.entries(AWS_ENV)) vi.stubEnv(name, value);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await aws.close();
  await google.close();
  await service.close();
  removeTemporaryDirectories();
});

class Crash extends Error {}

/** What happens before and after every act of a rotation. */
type Step = () => Promise<void>;

const QUIET: Step = async () => {};

function rotatingWith(step: Step, token?: string): Rotating {
  const around = async <T>(act: () => Promise<T>): Promise<T> => {
    await step();
    const outcome = await act();
    await step();
    return outcome;
  };
  const stepping = (client: Client): Client => ({
    ...client,
    introspect: (asked) => around(() => client.introspect(asked)),
    tokens: { ...client.tokens, rotate: (id, request) => around(() => client.tokens.rotate(id, request)) },
  });
  return {
    url: service.url,
    client: stepping(service.client(token)),
    own: token ?? service.owner.printed,
    clientOf: (secret) => stepping(service.client(secret)),
    now: () => service.clock.now(),
  };
}

function sinkWith(step: Step, inner: Sink): Sink {
  const { read } = inner;
  return {
    name: inner.name,
    describe: () => inner.describe(),
    write: async (secret, signal) => {
      await step();
      await inner.write(secret, signal);
      await step();
    },
    ...(read === undefined ? {} : { read: (signal) => read(signal) }),
  };
}

function orderOf(token: string, sinks: readonly Sink[], over: Partial<RotationOrder> = {}): RotationOrder {
  return {
    token,
    sinks,
    due: {},
    request: { overlap_seconds: 604_800, drain_seconds: 900 },
    leaveSeconds: 0,
    isDryRun: false,
    ...over,
  };
}

/** A sink like GitHub's: nobody reads it but jobs. */
function blindSink(name = 'blind') {
  const kept = { value: '', writes: 0 };
  const write = async (secret: string) => {
    kept.value = secret;
    kept.writes += 1;
  };
  const sink: Sink = { name, describe: () => name, write };
  return { kept, sink };
}

const brokenSink: Sink = {
  name: 'broken',
  describe: () => 'broken',
  write: async () => {
    throw new SinkError('it is broken');
  },
};

async function seedFile(name?: string) {
  const seeded = await service.seedToken({ scopes: ['codex:exec'], ...(name === undefined ? {} : { name }) });
  const path = join(temporaryDirectory(), 'token');
  writeFileSync(path, `${seeded.token}\n`, { mode: 0o600 });
  const read = () => readFileSync(path, 'utf8').trim();
  return { ...seeded, path, read, sink: parseSink(`file:${path}`, {}) };
}

/** Of a lineage one token has no successor: there are no two successors of one token. Gives its id. */
async function expectOneHead(id: string): Promise<string> {
  const { data } = await service.client().tokens.list({ workflow: 'nightly', limit: 200 });
  const lineage = data.filter(({ lineage_id }) => lineage_id === id);
  const heads = lineage.filter(({ rotated_to }) => rotated_to === null);
  expect(heads).toHaveLength(1);
  return heads[0]?.id ?? '';
}

test('200 jobs and more run through 20 rotations that crash at every step, and none is refused', async () => {
  const { id, token } = await seedFile();
  aws.secrets.set('ci/agent', awsSecretOf({ text: JSON.stringify({ user: 'ci', token }) }));
  const read = () => String(JSON.parse(currentOf(aws.secrets.get('ci/agent'))?.text ?? '').token);
  const blind = blindSink();
  blind.kept.value = token;
  const taken: string[] = [];
  let jobs = 0;
  const job = async (secret: string) => {
    jobs += 1;
    const decision = await service.client(secret).execChecks.check({ workflow: 'nightly', scopes: ['codex:exec'] });
    expect(decision.decision).toBe('allow');
  };
  const crashedAt = new Set<number>();
  let head = id;
  for (let rotation = 0; rotation < 20; rotation++) {
    let crashAt = rotation % 10;
    for (let isDone = false; !isDone; ) {
      let steps = 0;
      const step = async () => {
        // A job begins at each step, with what its sink holds, and uses that some steps later.
        taken.push(rotation % 2 === 0 ? read() : blind.kept.value);
        if (taken.length > 3) await job(taken.shift() ?? '');
        if (steps++ !== crashAt) return;
        crashedAt.add(crashAt);
        // The first crash of a rotation is followed by another one, two steps earlier.
        crashAt = crashAt >= 2 ? crashAt - 2 : -1;
        throw new Crash();
      };
      const sinks = [
        sinkWith(step, blind.sink),
        sinkWith(step, parseSink('aws:ci/agent#token', { AWS_ENDPOINT_URL: aws.url })),
      ];
      const smokeTest: SmokeTest = async (secret) => {
        await step();
        expect([blind.kept.value, read()]).toEqual([secret, secret]);
        await step();
        return undefined;
      };
      isDone = await rotateInto(rotatingWith(step), orderOf(head, sinks, { smokeTest })).then(
        (report) => {
          expect(report.outcome).toMatch(/^(rotated|completed)$/);
          return true;
        },
        (error: unknown) => {
          if (!(error instanceof Crash)) throw error;
          return false;
        },
      );
    }
    expect(blind.kept.value).toBe(read());
    for (const secret of taken.splice(0)) await job(secret);
    for (let more = 0; more < 6; more++) await job(read());
    head = await expectOneHead(id);
    service.clock.advance(1_000);
  }
  expect(JSON.parse(currentOf(aws.secrets.get('ci/agent'))?.text ?? '')).toEqual({ user: 'ci', token: read() });
  expect(jobs).toBeGreaterThan(200);
  expect([...crashedAt].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const { data } = await service.client().tokens.list({ workflow: 'nightly', limit: 200 });
  expect(data.filter(({ lineage_id }) => lineage_id === id).length).toBeLessThanOrEqual(50);
}, 60_000);

describe('a rotation', () => {
  test('uses the successor only when every sink has it: until then the old one does not begin to end', async () => {
    const { id, sink } = await seedFile();
    const states: string[] = [];
    const watching: Sink = {
      ...blindSink().sink,
      write: async () => {
        const { rotated_to: successor } = await service.client().tokens.show(id);
        states.push(String((await service.client().tokens.show(successor ?? '')).last_used_at));
      },
    };
    const report = await rotateInto(rotatingWith(QUIET), orderOf(id, [watching, sink]));
    expect(states).toEqual(['null']);
    expect((await service.client().tokens.show(report.token)).last_used_at).not.toBeNull();
  });

  test('that the first sink fails touches no other, and leaves the old token good', async () => {
    const { id, token } = await seedFile();
    const blind = blindSink();
    const report = await rotateInto(rotatingWith(QUIET), orderOf(id, [brokenSink, blind.sink]));
    expect(report).toMatchObject({
      outcome: 'failed',
      sinks: [
        { sink: 'broken', state: 'failed', detail: 'it is broken' },
        { sink: 'blind', state: 'untouched' },
      ],
    });
    expect(blind.kept.writes).toBe(0);
    expect((await service.client(token).introspect(token)).active).toBe(true);
    const { overlap_ends_at: end } = await service.client().tokens.show(id);
    expect(Date.parse(end ?? '') - service.clock.now().getTime()).toBe(604_800_000);
  });

  test('that a later sink fails goes on with the rest, says what is where, and is completed by another run', async () => {
    const { id, token, read, sink } = await seedFile();
    const blind = blindSink();
    const report = await rotateInto(rotatingWith(QUIET), orderOf(id, [sink, brokenSink, blind.sink]));
    expect(report.outcome).toBe('failed');
    expect(report.sinks.map(({ state }) => state)).toEqual(['written', 'failed', 'written']);
    expect((await service.client(token).introspect(token)).active).toBe(true);
    const placed = read();
    const again = await rotateInto(rotatingWith(QUIET), orderOf(id, [sink, blind.sink]));
    expect(again).toMatchObject({ outcome: 'completed', token: report.token });
    expect([read(), blind.kept.value]).toEqual([placed, placed]);
  });

  test('is not begun when a sink cannot be read', async () => {
    const { id, sink } = await seedFile();
    const unreadable = { ...brokenSink, read: brokenSink.write.bind(undefined, '') as unknown as Sink['read'] };
    const order = orderOf(id, [sink, unreadable as Sink]);
    await expect(rotateInto(rotatingWith(QUIET), order)).rejects.toThrow('it is broken');
    expect((await service.client().tokens.show(id)).rotated_to).toBeNull();
  });

  test('that reads back something else has failed', async () => {
    const { id } = await seedFile();
    const lying: Sink = { ...blindSink('lying').sink, read: async () => 'another' };
    const report = await rotateInto(rotatingWith(QUIET), orderOf(id, [lying]));
    expect(report.sinks[0]).toMatchObject({ state: 'failed', detail: expect.stringContaining('something else') });
  });

  test('that another one overtakes looks again, so that what is stored last is good', async () => {
    const { id, read, sink } = await seedFile();
    let isOvertaken = false;
    const overtaken: Sink = {
      ...sink,
      write: async (secret, signal) => {
        if (!isOvertaken) await service.client().tokens.rotate(id);
        isOvertaken = true;
        await sink.write(secret, signal);
      },
    };
    const report = await rotateInto(rotatingWith(QUIET), orderOf(id, [overtaken]));
    expect(report.outcome).toBe('completed');
    expect((await service.client(read()).introspect(read())).active).toBe(true);
    await expectOneHead(id);
  });

  test('of what is not due or was tried out changes nothing', async () => {
    const { id, token, read, sink } = await seedFile();
    const due = { ifExpiresWithinDays: 7 };
    expect((await rotateInto(rotatingWith(QUIET), orderOf(id, [sink], { due }))).outcome).toBe('not_due');
    const dry = { isDryRun: true };
    expect((await rotateInto(rotatingWith(QUIET), orderOf(id, [sink], dry))).outcome).toBe('due');
    expect(read()).toBe(token);
    expect((await service.client().tokens.show(id)).rotated_to).toBeNull();
  });

  test('leaves alone what somebody else is rotating: on this machine, and elsewhere just now', async () => {
    const { id, sink } = await seedFile();
    const lock = await takeRotationLock(service.url, id);
    expect((await rotateInto(rotatingWith(QUIET), orderOf(id, [sink]))).outcome).toBe('busy');
    await lock?.release();
    await service.client().tokens.rotate(id);
    const order = orderOf(id, [sink], { leaveSeconds: 300 });
    expect((await rotateInto(rotatingWith(QUIET), order)).outcome).toBe('busy');
    service.clock.advance(300);
    expect((await rotateInto(rotatingWith(QUIET), order)).outcome).toBe('completed');
  });

  test('goes on from any token of the lineage, and from a successor whose predecessor has ended', async () => {
    const { id, read, sink } = await seedFile();
    await rotateInto(rotatingWith(QUIET), orderOf(id, [sink]));
    await rotateInto(rotatingWith(QUIET), orderOf(id, [sink]));
    const head = await expectOneHead(id);
    await service.client().tokens.rotate(head);
    await service.client().tokens.revoke(head, { reason: 'leaked' });
    expect((await rotateInto(rotatingWith(QUIET), orderOf(id, [sink]))).outcome).toMatch(/rotated|completed/);
    expect((await service.client(read()).introspect(read())).active).toBe(true);
  });

  test('asks again while the service has too much to do or its answer is lost, and gives up in the end', async () => {
    const { id, read, sink } = await seedFile();
    const tooMuch = new ProblemError({ status: 429, kind: 'rate-limited', detail: 'later', retryAfterSeconds: 0 });
    let left = 5;
    const step = async () => {
      // Every second step is behind an act, whose answer is lost by that.
      if (left-- > 0 && left % 3 !== 0) throw tooMuch;
    };
    expect((await rotateInto(rotatingWith(step), orderOf(id, [sink]))).outcome).toBe('rotated');
    expect((await service.client(read()).introspect(read())).active).toBe(true);
    await expectOneHead(id);
    let asked = 0;
    const never = async () => {
      asked += 1;
      throw tooMuch;
    };
    await expect(rotateInto(rotatingWith(never), orderOf(id, [sink]))).rejects.toBe(tooMuch);
    expect(asked).toBe(5);
  });

  test('of a revoked token is none', async () => {
    const { id, sink } = await seedFile();
    await service.client().tokens.revoke(id, { reason: 'leaked' });
    const report = await rotateInto(rotatingWith(QUIET), orderOf(id, [sink]));
    expect(report).toMatchObject({ outcome: 'failed', detail: expect.stringContaining('revoked') });
  });
});

describe('a smoke test', () => {
  /** One that passes once it is told to, and notes what the successor was when it ran. */
  function probe(id: string, uses = false) {
    const noted = { passes: false, secrets: [] as string[], isUsed: [] as boolean[] };
    const smokeTest: SmokeTest = async (secret) => {
      const { rotated_to: successor } = await service.client().tokens.show(id);
      noted.isUsed.push((await service.client().tokens.show(successor ?? '')).last_used_at !== null);
      noted.secrets.push(secret);
      if (uses) await service.client(secret).introspect(secret);
      return noted.passes ? undefined : 'it ended with 1';
    };
    return { noted, smokeTest };
  }

  test.each([
    ['that can be read', true],
    ['that cannot be read', false],
  ])(
    'in front of a sink %s comes before the first use; after a failure the old one is good, and another run completes it',
    async (_what, isReadable) => {
      const { id, token, sink: file, read } = await seedFile();
      const blind = blindSink();
      const sink = isReadable ? file : blind.sink;
      const stored = () => (isReadable ? read() : blind.kept.value);
      const { noted, smokeTest } = probe(id);
      const report = await rotateInto(rotatingWith(QUIET), orderOf(id, [sink], { smokeTest }));
      expect(report).toMatchObject({
        outcome: 'failed',
        detail: expect.stringContaining('the smoke test failed'),
        sinks: [{ state: 'written' }],
        smoke_test: { passed: false, detail: 'it ended with 1' },
      });
      service.clock.advance(1_000);
      expect((await service.client(token).introspect(token)).active).toBe(true);
      const { overlap_ends_at: end } = await service.client().tokens.show(id);
      expect(Date.parse(end ?? '') - service.clock.now().getTime()).toBe(603_800_000);
      const failedAgain = await rotateInto(rotatingWith(QUIET), orderOf(id, [sink], { smokeTest }));
      expect(failedAgain).toMatchObject({ outcome: 'failed', token: report.token });
      noted.passes = true;
      const again = await rotateInto(rotatingWith(QUIET), orderOf(id, [sink], { smokeTest }));
      expect(again).toMatchObject({ outcome: 'completed', token: report.token, smoke_test: { passed: true } });
      expect(noted.isUsed).toEqual([false, false, false]);
      expect(noted.secrets[2]).toBe(stored());
      expect(new Set(noted.secrets).size).toBe(isReadable ? 1 : 3);
      expect((await service.client(stored()).introspect(stored())).active).toBe(true);
      expect(await expectOneHead(id)).toBe(report.token);
      service.clock.advance(1_000);
      expect((await service.client().tokens.show(id)).status).toBe('superseded');
    },
  );

  test('that uses the token and fails is run again for a day, by a run that would not rotate', async () => {
    const { id, sink } = await seedFile();
    const { noted, smokeTest } = probe(id, true);
    const first = await rotateInto(rotatingWith(QUIET), orderOf(id, [sink], { smokeTest }));
    const due = { everyDays: 30 };
    const second = await rotateInto(rotatingWith(QUIET), orderOf(id, [sink], { smokeTest, due }));
    expect([first.outcome, second.outcome]).toEqual(['failed', 'failed']);
    noted.passes = true;
    const third = await rotateInto(rotatingWith(QUIET), orderOf(id, [sink], { smokeTest, due }));
    expect(third).toMatchObject({ outcome: 'completed', token: first.token });
    service.clock.advance(86_400);
    const later = await rotateInto(rotatingWith(QUIET), orderOf(id, [sink], { smokeTest, due }));
    expect(later.outcome).toBe('not_due');
    expect(noted.secrets).toHaveLength(3);
    expect(await expectOneHead(id)).toBe(first.token);
  });

  test('finds out by its success that a stored secret was replaced, and tests the one that is stored then', async () => {
    const { id, sink, read } = await seedFile();
    const { noted, smokeTest } = probe(id);
    await rotateInto(rotatingWith(QUIET), orderOf(id, [sink], { smokeTest }));
    const stale = read();
    await service.client().tokens.rotate(id);
    noted.passes = true;
    const report = await rotateInto(rotatingWith(QUIET), orderOf(id, [sink], { smokeTest }));
    expect(report.outcome).toBe('completed');
    expect(noted.secrets).toEqual([stale, stale, read()]);
    expect((await service.client(read()).introspect(read())).active).toBe(true);
    await expectOneHead(id);
  });

  test('is not run where a sink failed, nor by a dry run', async () => {
    const { id, sink } = await seedFile();
    const { noted, smokeTest } = probe(id);
    const failed = await rotateInto(rotatingWith(QUIET), orderOf(id, [sink, brokenSink], { smokeTest }));
    expect(failed).toMatchObject({ outcome: 'failed', detail: expect.stringContaining('some sinks') });
    const isDryRun = true;
    await rotateInto(rotatingWith(QUIET), orderOf(id, [sink], { smokeTest, isDryRun }));
    expect(noted.secrets).toEqual([]);
  });

  test('is a command that reads the secret, gets no token of the rotator, and has its time', async () => {
    const { token } = await seedFile();
    const env = { PATH: process.env['PATH'], COUNTERSIGN_TOKEN: 'mine', COUNTERSIGN_TOKEN_FILE: 'mine' };
    const script = join(temporaryDirectory(), 'script');
    const lines = ['read -r secret', `[ "$secret" = ${token} ] && [ -z "$COUNTERSIGN_TOKEN$COUNTERSIGN_TOKEN_FILE" ]`];
    writeFileSync(script, `${lines.join('\n')} || { echo "$secret is wrong" >&2; exit 3; }\n`, { mode: 0o600 });
    const command = parseSmokeTest(`sh ${script}`, '--smoke-test', env);
    expect(await command(token)).toBeUndefined();
    expect(await command(`${token.slice(0, -1)}!`)).toBe('sh ended with 3: [token] is wrong');
    expect(await parseSmokeTest('sleep 600', '--smoke-test', env, 0)(token)).toBe('sleep took too long');
    expect(await parseSmokeTest('no-such-command', '--smoke-test', env)(token)).toContain('cannot be run (ENOENT)');
    expect(() => parseSmokeTest(' ', '--smoke-test', env)).toThrow('--smoke-test names no command');
    expect(() => parseSmokeTest('sh -c "x', 'smoke_test', env)).toThrow('smoke_test is not closed');
  });
});

describe('a token that rotates itself', () => {
  test('needs no right but tokens:rotate, and goes on after a crash at any step', async () => {
    const path = join(temporaryDirectory(), 'token');
    const sink = parseSink(`file:${path}`, {});
    const seeded = await service.seedToken({ scopes: ['codex:exec', 'tokens:rotate'] });
    writeFileSync(path, seeded.token, { mode: 0o600 });
    for (let crashAt = 0; crashAt < 8; crashAt++) {
      let steps = 0;
      const step = async () => {
        if (steps++ === crashAt) throw new Crash();
      };
      const own = readFileSync(path, 'utf8').trim();
      const order = orderOf('self', [sinkWith(step, sink)]);
      await rotateInto(rotatingWith(step, own), order).catch((error: unknown) => {
        if (!(error instanceof Crash)) throw error;
      });
      // By the token that its job began with, and by the one that the sink has now.
      const late = crashAt % 2 === 0 ? own : readFileSync(path, 'utf8').trim();
      const report = await rotateInto(rotatingWith(QUIET, late), orderOf('self', [sink]));
      expect(report.outcome).toMatch(/rotated|completed|not_due/);
      const kept = readFileSync(path, 'utf8').trim();
      expect((await service.client(kept).introspect(kept)).active).toBe(true);
      await expectOneHead(seeded.id);
    }
  });
});

describe('the command', () => {
  const run = (args: readonly string[], env: Record<string, string> = {}) =>
    commandLine(temporaryDirectory())(args, {
      env: { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: service.owner.printed, ...env },
    });

  /** A command for a sink that kills the rotation, the first time before or after it stored the secret. */
  function killer(at: 'before' | 'after'): { sink: string; stored: string } {
    const directory = temporaryDirectory();
    const [script, stored, mark] = ['script', 'stored', 'mark'].map((name) => join(directory, name));
    const kill = `[ -e ${mark} ] || { : >${mark}; kill -9 $PPID; exit; }`;
    const store = `cat >${stored}`;
    writeFileSync(script ?? '', (at === 'before' ? [kill, store] : [store, kill]).join('\n'));
    return { sink: `exec:sh ${script}`, stored: stored ?? '' };
  }

  test.each(['before', 'after'] as const)('that is killed %s a sink has the secret is run again', async (at) => {
    const { id, path, read } = await seedFile();
    const { sink, stored } = killer(at);
    const args = ['rotate', id, '--into', `file:${path}`, sink, '--json'];
    expect(await run(args)).toMatchObject({ code: null, stdout: '' });
    const after = read();
    const again = await run(args);
    expect({ ...again, stdout: JSON.parse(again.stdout) }).toMatchObject({
      code: 0,
      stdout: { outcome: 'completed', sinks: [{ state: 'kept' }, { state: 'written' }] },
    });
    expect([read(), readFileSync(stored, 'utf8')]).toEqual([after, after]);
    expect((await service.client(after).introspect(after)).active).toBe(true);
    await expectOneHead(id);
  });

  test('that is killed before anything is stored is run again', async () => {
    const { id } = await seedFile();
    const { sink, stored } = killer('before');
    expect((await run(['rotate', id, '--into', sink])).code).toBeNull();
    expect(existsSync(stored)).toBe(false);
    const { code, stdout, stderr } = await run(['rotate', id, '--into', sink]);
    expect({ code, stdout, stderr }).toMatchObject({ code: 0, stderr: '' });
    const secret = readFileSync(stored, 'utf8');
    expect((await service.client(secret).introspect(secret)).active).toBe(true);
    expect(stdout).toContain('completed what was begun');
    expect(stdout).not.toContain(secret);
  });

  test('says what is where when a sink fails, and exits 1', async () => {
    const { id, path } = await seedFile();
    const outcome = await run(['rotate', id, '--into', `file:${path}`, 'exec:false']);
    expect(outcome.code).toBe(1);
    expect(outcome.stdout).toContain(`written file:${path}`);
    expect(outcome.stdout).toContain('failed exec:false: false ended with 1');
    expect(outcome.stdout + outcome.stderr).not.toMatch(/cst_/);
  });

  test('says that the smoke test failed and exits 1, and completes the rotation when it passes', async () => {
    const { id, token, path, read } = await seedFile();
    const rotated = await run(['rotate', id, '--into', `file:${path}`, '--smoke-test', 'false']);
    expect(rotated.code).toBe(1);
    expect(rotated.stdout).toContain('the smoke test failed');
    expect(rotated.stdout).toContain('smoke test: false ended with 1');
    const stored = read();
    expect(stored).not.toBe(token);
    const config = join(temporaryDirectory(), 'rotations.json');
    const rotation = { token: id, into: [`file:${path}`], every_days: 30, smoke_test: "grep -q '^cst_'" };
    writeFileSync(config, JSON.stringify({ rotations: [rotation] }));
    const { code, stdout } = await run(['rotator', '--config', config]);
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('passed the smoke test') });
    expect(read()).toBe(stored);
    expect(rotated.stdout + stdout).not.toMatch(/cst_/);
    const unreadable = ['rotate', id, '--into', `file:${path}`, '--smoke-test', 'sh -c "x'];
    expect(await run(unreadable)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--smoke-test is not closed'),
    });
  });

  test('rotates into secrets of clouds, by the packages that are installed beside it', async () => {
    const { id, token } = await seedFile();
    aws.secrets.set('ci/cli', awsSecretOf({ text: token }));
    google.secrets.set('cli', [googleVersion(token)]);
    const env = { ...AWS_ENV, AWS_ENDPOINT_URL: aws.url, ...google.env };
    const { code, stdout, stderr } = await run(['rotate', id, '--into', 'aws:ci/cli', 'google:acme-ci/cli'], env);
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('written aws:ci/cli') });
    expect(stdout).toContain('written google:acme-ci/cli');
    const stored = currentOf(aws.secrets.get('ci/cli'))?.text ?? '';
    expect(google.secrets.get('cli')?.at(-1)?.data.toString()).toBe(stored);
    expect((await service.client(stored).introspect(stored)).active).toBe(true);
    for (const secret of [stored, AWS_ENV.AWS_SECRET_ACCESS_KEY]) expect(stdout + stderr).not.toContain(secret);
  });

  test('refuses a sink that is none with exit 2, before it rotates', async () => {
    const { id } = await seedFile();
    expect(await run(['rotate', id, '--into', 's3:bucket'])).toMatchObject({ code: 2 });
    expect(await run(['rotate', id, '--into', 'vault:kv/agent#token'])).toMatchObject({ code: 2 });
    expect((await service.client().tokens.show(id)).rotated_to).toBeNull();
  });

  test('rotates all that is due by a configuration, goes on after a failure, and is safe to run twice at once', async () => {
    await service.makeWorkflow('rotated', { allowed_scopes: ['codex:*'] });
    const inWorkflow = await service.seedToken({ workflow: 'rotated', scopes: ['codex:exec'], name: 'acme/api' });
    await service.seedToken({ workflow: 'rotated', scopes: ['codex:exec'], name: 'acme/another' });
    const [first, second] = [await seedFile(), await seedFile()];
    const stored = join(temporaryDirectory(), 'stored');
    const config = join(temporaryDirectory(), 'rotations.json');
    const rotations = [
      { workflow: 'rotated', name: 'acme/api', into: [`file:${stored}`], if_expires_within_days: 60 },
      { token: first.id, into: [`file:${first.path}`], if_expires_within_days: 60 },
      { token: second.id, into: [`file:${second.path}`], every_days: 60 },
    ];
    writeFileSync(config, JSON.stringify({ rotations }));
    const dry = await run(['rotator', '--config', config, '--dry-run', '--json']);
    const outcomesOf = (stdout: string) =>
      JSON.parse(stdout).rotations.map(({ outcome }: { outcome: string }) => outcome);
    expect(outcomesOf(dry.stdout)).toEqual(['due', 'due', 'not_due']);
    const twice = await Promise.all([1, 2].map(() => run(['rotator', '--config', config, '--json'])));
    for (const { code } of twice) expect(code).toBe(0);
    for (const secret of [readFileSync(stored, 'utf8').trim(), first.read(), second.read()]) {
      expect((await service.client(secret).introspect(secret)).active).toBe(true);
    }
    expect(second.read()).toBe(second.token);
    expect((await service.client().tokens.show(inWorkflow.id)).status).toBe('rotating');
    await expectOneHead(first.id);

    const broken = { workflow: 'rotated', into: ['exec:true'], every_days: 0 };
    const more = [broken, { token: second.id, into: [`file:${second.path}`], if_expires_within_days: 60 }];
    writeFileSync(config, JSON.stringify({ rotations: more }));
    const { code, stdout } = await run(['rotator', '--config', config]);
    expect({ code, stdout }).toMatchObject({ code: 1, stdout: expect.stringContaining('active tokens: name one') });
    expect(second.read()).not.toBe(second.token);
  });

  test.each([
    [{}, 'rotations'],
    [{ rotations: [] }, 'rotations'],
    [{ rotations: [{ into: ['exec:true'], every_days: 1 }] }, 'either a token or a workflow'],
    [{ rotations: [{ workflow: 'a', into: [], every_days: 1 }] }, 'into'],
    [{ rotations: [{ workflow: 'a', into: ['exec:true'] }] }, 'must say when'],
    [{ rotations: [{ workflow: 'a', into: ['exec:true'], every_days: 1, secret: 'x' }] }, 'secret'],
    [{ rotations: [1, 2].map((one) => ({ workflow: `${one}`, into: ['exec:true'], every_days: 1 })) }, 'twice'],
  ])('refuses the configuration %j with exit 2', async (document, why) => {
    const config = join(temporaryDirectory(), 'rotations.json');
    writeFileSync(config, JSON.stringify(document));
    const { code, stderr } = await run(['rotator', '--config', config]);
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining(why) });
  });
});
