import { mkdirSync, writeFileSync } from 'node:fs';
import { git } from './command.js';
import type { Shell } from './shell.js';

/** The directory of the repository, and its name as the checks know it. */
export const DIRECTORY = 'split-bill';
export const REPOSITORY = 'acme/split-bill';

const FILES: Readonly<Record<string, { readonly text: string; readonly mode?: number }>> = {
  'package.json': { text: '{ "name": "split-bill", "private": true, "type": "module" }\n' },
  'split.js': {
    text: `/** Splits an amount of cents between people: nobody pays a cent more than another one than is needed. */
export function split(cents, people) {
  if (!Number.isInteger(people) || people < 1) throw new RangeError('nobody is there to pay');
  const share = Math.floor(cents / people);
  const rest = cents - share * people;
  return Array.from({ length: people }, (_, at) => share + (at < rest ? 1 : 0));
}
`,
  },
  'split.test.js': {
    text: `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { split } from './split.js';

test('an even bill is shared evenly', () => assert.deepEqual(split(900, 3), [300, 300, 300]));
test('no cent is lost', () => {
  for (let cents = 0; cents < 500; cents += 1) {
    assert.equal(split(cents, 7).reduce((sum, share) => sum + share), cents);
  }
});
test('nobody pays more than a cent extra', () => assert.deepEqual(split(1000, 3), [334, 333, 333]));
test('a bill for nobody is refused', () => assert.throws(() => split(1000, 0), RangeError));
`,
  },
  'ci.sh': {
    mode: 0o755,
    text: `#!/bin/sh
# What runs on every change: this repository's own tests.
set -eu
echo "ci: testing $(git log -1 --format='%h %s')"
echo "ci: a debug line that somebody forgot: AGENT_TOKEN=\${AGENT_TOKEN:-}"
exec node --test --test-reporter=spec
`,
  },
  'soak.sh': {
    mode: 0o755,
    text: `#!/bin/sh
# The tests again and again, to find the one that fails now and then.
echo "soak: process group $$"
round=1
while node split.test.js > last-round.txt; do
  echo "soak: round $round passed"
  round=$((round + 1))
  sleep 1
done
`,
  },
  '.gitignore': { text: 'last-round.txt\n' },
};

/** Makes a git repository with a small project, its tests and its jobs, and goes there. */
export async function makeRepository(shell: Shell): Promise<void> {
  mkdirSync(shell.path(DIRECTORY));
  shell.enter(DIRECTORY);
  for (const [name, { text, mode = 0o644 }] of Object.entries(FILES)) writeFileSync(shell.path(name), text, { mode });
  await shell.quietly(git(['-c', 'init.defaultBranch=main', 'init', '--quiet']));
  await shell.quietly(git(['config', 'user.name', 'Ada']));
  await shell.quietly(git(['config', 'user.email', 'ada@acme.example']));
  await shell.run(git(['add', '--all']));
  await shell.run(git(['commit', '--quiet', '-m', 'feat: split a bill']));
}
