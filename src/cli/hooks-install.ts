import { mkdir, stat } from 'node:fs/promises';
import { AGENT_NAMES, managedDirectory } from '../hook/agents.js';
import {
  filesOf,
  type HookFlags,
  type HooksFile,
  installedText,
  isToml,
  ownProgram,
  uninstalledText,
} from './hooks-files.js';
import { HostRefusal } from './host-refusal.js';
import { print, printJson, say } from './output.js';
import { printable } from './printable.js';
import { readIfThere, replaceFile } from './replace-file.js';

interface ChangeFlags extends HookFlags {
  readonly dryRun?: true | undefined;
  readonly json?: true | undefined;
}

interface Change {
  readonly file: HooksFile;
  readonly before: string | undefined;
  readonly after: string;
}

/** Sets up the hooks of agents. All files are looked at before the first is changed. */
export async function installHooks(flags: ChangeFlags): Promise<number> {
  const changes = await changesOf(filesOf(flags), async (file, text) => installedText(file, text));
  for (const { file } of changes) {
    if (isToml(file) && !flags.dryRun) await mkdir(managedDirectory(file.path), { recursive: true, mode: 0o755 });
  }
  await carryOut(changes, flags);
  if (flags.json || flags.dryRun) return 0;
  for (const { file } of changes) sayNext(file);
  if (changes.some(({ file }) => file.scope === 'managed')) await warnOfOwners();
  if (ownProgram().includes('/_npx/'))
    say('The hooks name this program where npx has put it for now: install it to stay.');
  return 0;
}

/** Takes the hooks of agents away. */
export async function uninstallHooks(flags: ChangeFlags): Promise<number> {
  const changes = await changesOf(filesOf(flags), async (file, text) =>
    text === undefined ? { ok: true, text: '' } : uninstalledText(file, text),
  );
  await carryOut(changes, flags);
  return 0;
}

type Edit = (file: HooksFile, text: string | undefined) => Promise<ReturnType<typeof installedText>>;

async function changesOf(files: readonly HooksFile[], edit: Edit): Promise<Change[]> {
  const changes: Change[] = [];
  for (const file of files) {
    const before = await readIfThere(file.path);
    const changed = await edit(file, before);
    if (!changed.ok) throw new HostRefusal('not_changed', `${printable(file.path)} was not changed: ${changed.detail}`);
    changes.push({ file, before, after: changed.text });
  }
  return changes;
}

async function carryOut(changes: readonly Change[], { dryRun, json }: ChangeFlags): Promise<void> {
  const isChange = ({ before, after }: Change) => after !== (before ?? '');
  for (const { file, after } of changes.filter(isChange)) {
    if (!dryRun) await replaceFile(file.path, after);
  }
  if (json) {
    const files = changes.map((change) => ({
      agent: change.file.agent,
      scope: change.file.scope,
      path: change.file.path,
      changed: isChange(change),
      ...(dryRun ? { text: change.after } : {}),
    }));
    return printJson({ dry_run: dryRun ?? false, files });
  }
  for (const change of changes) {
    const { path } = change.file;
    if (isChange(change) && dryRun) print(change.after);
    const done = dryRun ? 'This would be written to' : 'Written:';
    say(isChange(change) ? `${done} ${printable(path)}` : `${printable(path)} is as it should be.`);
  }
}

/** Managed hooks are as firm as what they run. */
async function warnOfOwners(): Promise<void> {
  for (const path of [process.execPath, ownProgram()]) {
    const { uid, mode } = await stat(path);
    if (uid !== 0 || (mode & 0o022) !== 0) {
      say(`${printable(path)} can be changed by others than root, and the hooks with it.`);
    }
  }
}

/** What is left to a person. */
function sayNext({ agent, scope }: HooksFile): void {
  const name = AGENT_NAMES[agent];
  if (agent === 'codex' && scope !== 'managed') {
    say(`${name} runs these hooks only once you have trusted them: open it and say /hooks. --managed needs no trust.`);
  }
  say(`To see whether they fire: countersign hooks verify --agent ${agent} -- ${EXAMPLES[agent]}`);
}

const EXAMPLES = { codex: "codex exec 'run: echo hello'", claude: "claude -p 'run: echo hello'" } as const;
