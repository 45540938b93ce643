import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Scanner } from '../rules/scan.js';
import { askGit, type Repository, startGit } from './git.js';
import { OBJECT_FORMAT, type ObjectSink, readObjects } from './git-objects.js';
import type { Document, NewScanner, Tally } from './scan-tally.js';
import { UsageError } from './usage-error.js';

const READ_OBJECTS = ['cat-file', `--batch=${OBJECT_FORMAT}`, '--buffer'];
// Oldest first, and each object behind the commit that first has it: what is met first was introduced there.
const LIST_OBJECTS = ['rev-list', '--objects', '--in-commit-order', '--reverse', '--topo-order', '--missing=print'];
const ALL_REFS = ['--all', '--reflog'];

/** Scans everything that a repository's refs and reflogs reach, the stash among it: each version of each file once, and
 *  the messages of commits and tags. Bare and shallow repositories too. What is not there, as in a partial clone, is told
 *  as not readable. */
export async function scanHistory(directory: string | undefined, newScanner: NewScanner, tally: Tally): Promise<void> {
  const repository = { directory: directory ?? '.', isNamed: directory !== undefined };
  await askGit(repository, ['rev-parse', '--git-dir']);
  const list = startGit(repository, [...LIST_OBJECTS, ...ALL_REFS], ['ignore', 'pipe', 'pipe']);
  const read = startGit(repository, READ_OBJECTS, [list.child.stdout, 'pipe', 'pipe']);
  // git holds it now: were it open here too, the one would never hear that the other is gone.
  list.child.stdout?.destroy();
  let commit: string | undefined;
  let missing = 0;
  const describe: Describe = ({ id, type, rest }) => {
    if (type === 'tree') return undefined;
    if (type === 'tag') return { file: `tag ${rest.toString()}` };
    if (type === 'commit') commit = id;
    // A blob without a path is what a ref points to: no commit brought it.
    if (type === 'blob' && rest.length === 0) return { file: `blob ${id}` };
    const file = type === 'commit' ? 'commit message' : rest.toString();
    return { file, ...(commit === undefined ? {} : { commit }) };
  };
  const onMissing = () => {
    missing += 1;
  };
  const sink = createSink(newScanner, tally, describe, onMissing);
  await Promise.all([readObjects(outputOf(read.child.stdout), sink), list.ended, read.ended]);
  if (missing > 0) tally.cannotRead(`${missing} objects of the history`, 'they are not here: is it a partial clone?');
}

/** Scans what the next commit would add or change, as it stands in the index. */
export async function scanStaged(newScanner: NewScanner, tally: Tally): Promise<void> {
  const repository: Repository = { directory: '.', isNamed: false };
  const changes = await stagedChanges(repository);
  const read = startGit(repository, READ_OBJECTS, ['pipe', 'pipe', 'pipe']);
  const ids = Readable.from(changes.map(({ id }) => `${id} \n`));
  const paths = changes.map(({ path }) => path).values();
  const describe = () => ({ file: paths.next().value ?? '' });
  const onMissing = () => tally.cannotRead(describe().file, 'its object is not in this repository');
  const sink = createSink(newScanner, tally, describe, onMissing);
  await Promise.all([
    pipeline(ids, inputOf(read.child.stdin)),
    readObjects(outputOf(read.child.stdout), sink),
    read.ended,
  ]);
}

/** The top of the work tree, where there is one. */
export async function workTreeOf(directory: string | undefined): Promise<string | undefined> {
  const repository = { directory: directory ?? '.', isNamed: directory !== undefined };
  const isInside = (await askGit(repository, ['rev-parse', '--is-inside-work-tree'])).toString().trim() === 'true';
  if (!isInside) return undefined;
  return (await askGit(repository, ['rev-parse', '--show-toplevel'])).toString().replace(/\n$/, '');
}

interface Change {
  readonly id: string;
  readonly path: string;
}

const ENTRY = /^:[0-7]{6} ([0-7]{6}) [0-9a-f]{40,64} ([0-9a-f]{40,64}) [A-Z]$/;
const SUBMODULE = '160000';

async function stagedChanges(repository: Repository): Promise<Change[]> {
  const head = await askGit(repository, ['rev-parse', '--verify', '--quiet', 'HEAD^{commit}']).catch(() => undefined);
  const base = (head ?? (await askGit(repository, ['hash-object', '-t', 'tree', '/dev/null']))).toString().trim();
  const options = [
    '--cached',
    '--ignore-submodules=all',
    '--raw',
    '-z',
    '--no-abbrev',
    '--no-renames',
    '--no-ext-diff',
    '--diff-filter=ACMT',
  ];
  const words = (await askGit(repository, ['diff-index', ...options, base, '--'])).toString().split('\0');
  const changes: Change[] = [];
  for (let at = 0; at + 1 < words.length; at += 2) {
    const [, mode, id] = ENTRY.exec(words[at] ?? '') ?? [];
    const path = words[at + 1];
    if (mode === undefined || id === undefined || path === undefined) {
      throw new UsageError('git diff-index said what is not understood');
    }
    if (mode !== SUBMODULE) changes.push({ id, path });
  }
  return changes;
}

type Describe = (object: { id: string; type: string; rest: Buffer }) => Document | undefined;

function createSink(newScanner: NewScanner, tally: Tally, describe: Describe, missing: () => void): ObjectSink {
  let current: { readonly document: Document; readonly scanner: Scanner } | undefined;
  return {
    begin(object) {
      const document = describe(object);
      current = document && { document, scanner: newScanner() };
      return current !== undefined;
    },
    piece(bytes) {
      if (current) tally.take(current.document, current.scanner.push(bytes));
    },
    end() {
      if (current) tally.take(current.document, current.scanner.end());
      tally.files += 1;
    },
    missing,
  };
}

function outputOf(stream: Readable | null): Readable {
  if (stream === null) throw new Error('git was started without an output');
  return stream;
}

function inputOf(stream: Writable | null): Writable {
  if (stream === null) throw new Error('git was started without an input');
  return stream;
}
