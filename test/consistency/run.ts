import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadKeys } from '../../src/keys.js';
import { type Drive, drive, type Outcome } from './driver.js';
import { type ProcessNode, startProcessNode } from './process-node.js';
import { openSetting, SETTINGS } from './settings.js';

const { values } = parseArgs({
  options: {
    setting: { type: 'string', multiple: true, default: Object.keys(SETTINGS) },
    operations: { type: 'string', default: '100000' },
    clients: { type: 'string', default: '24' },
    nodes: { type: 'string', default: '3' },
    'max-seconds': { type: 'string', default: '900' },
    keep: { type: 'boolean', default: false },
  },
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

let hasFailed = false;
print(['setting', 'operations', 'yes', 'no', 'acts', '503', 'broken', 'stale', 'false no', 'seconds']);
for (const name of values.setting) {
  if (!isSetting(name)) throw new Error(`--setting takes ${Object.keys(SETTINGS).join(', ')}`);
  const { operations, tally, stale, falseNoes, seconds } = await run(name);
  const { yes, no, acts, unavailable, broken } = tally;
  print([name, operations, yes, no, acts, unavailable, broken, stale.length, falseNoes.length, Math.round(seconds)]);
  for (const fault of [...stale, ...falseNoes].slice(0, 10)) process.stdout.write(`  ${JSON.stringify(fault)}\n`);
  for (const [what, times] of Object.entries(tally.strange)) process.stdout.write(`  ${times} times ${what}\n`);
  hasFailed ||= stale.length + falseNoes.length > 0;
}
process.exitCode = hasFailed ? 1 : 0;

/** One setting in a directory of its own, of which nothing is left. */
async function run(name: keyof typeof SETTINGS): Promise<Outcome> {
  const home = mkdtempSync(join(tmpdir(), 'countersign-consistency-'));
  const clear = () => rmSync(home, { recursive: true, force: true, maxRetries: 10 });
  process.once('exit', clear);
  const closers: (() => Promise<unknown>)[] = [];
  try {
    const setting = await openSetting(name, home);
    closers.push(setting.close);
    const keyDirectory = join(home, 'keys');
    const keys = await loadKeys({ dataDir: keyDirectory, peppers: undefined, signingKeys: undefined });
    const env = {
      ...setting.env,
      COUNTERSIGN_DATA_DIR: keyDirectory,
      COUNTERSIGN_PEPPER_FILE: join(keyDirectory, 'pepper'),
      COUNTERSIGN_SIGNING_KEYS_FILE: join(keyDirectory, 'signing-keys.json'),
    };
    const nodes: ProcessNode[] = [];
    closers.push(() => Promise.all(nodes.map((node) => node.stop())));
    for (let at = 1; at <= Number(values.nodes); at += 1) nodes.push(await startProcessNode(`${at}`, home, env));
    const options: Drive = {
      nodes,
      database: setting.database,
      keys,
      operations: Number(values.operations),
      clients: Number(values.clients),
      tenants: 4,
      maxSeconds: Number(values['max-seconds']),
      disturb: (progress) => setting.disturb(nodes, progress),
    };
    return await drive(options);
  } finally {
    for (const close of closers.reverse()) await close();
    if (values.keep) process.stderr.write(`what they printed is in ${home}\n`);
    else clear();
    process.off('exit', clear);
  }
}

function isSetting(name: string): name is keyof typeof SETTINGS {
  return name in SETTINGS;
}

function print(columns: readonly (string | number)[]): void {
  process.stdout.write(`${columns.map((column) => String(column).padEnd(13)).join('')}\n`);
}
