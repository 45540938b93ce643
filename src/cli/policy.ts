import type { BeyondPolicy, Client, PolicyOutcome, PolicyRequest, WorkspacePolicy } from '../sdk/index.js';
import { policyRequest } from '../wire/policy.js';
import { fieldErrors } from '../wire/primitives.js';
import { signedInClient } from './client.js';
import { confirm } from './confirm.js';
import { readJson } from './json-input.js';
import { isInteractive, outputView, print, printJson, say } from './output.js';
import { type PolicyFlags, withFlags } from './policy-flags.js';
import { printable } from './printable.js';
import { type Column, renderDetails, renderTable } from './table.js';
import { UsageError } from './usage-error.js';

const FILE_HINT = 'countersign policy set --file policy.json';

const COLUMNS: Column<BeyondPolicy>[] = [
  { title: 'ID', value: (token) => token.id, isWhole: true },
  { title: 'WORKFLOW', value: (token) => token.workflow },
  { title: 'NAME', value: (token) => token.name ?? '', isSpare: true },
  { title: 'CREATOR', value: (token) => token.creator.email },
  { title: 'WHY', value: (token) => token.why.map(({ detail }) => detail).join('; ') },
];

/** `policy show`. */
export async function showPolicy(flags: { json?: true }): Promise<number> {
  const policy = await (await signedInClient()).policy.show();
  if (flags.json) printJson(policy);
  else printPolicy(policy);
  return 0;
}

/** `policy set`: changes what the flags name. Before a policy that blocks, the person sees how many tokens it meets. */
export async function setPolicy(flags: PolicyFlags): Promise<number> {
  const client = await signedInClient();
  const request = await requestOf(client, flags);
  if (holdsBack(request) && !flags.yes) {
    if (!isInteractive()) {
      throw new UsageError('there is no terminal to ask at: give --yes to go ahead, or try it with `policy test`');
    }
    if (!(await isConfirmed(client, request))) {
      say('The policy was not changed.');
      return 1;
    }
  }
  const outcome = await client.policy.put(request);
  if (flags.json) printJson(outcome);
  else {
    printPolicy(outcome.policy);
    printOutcome(outcome, request.enforcement === 'block' ? 'inactive from now on' : 'on a list and good as before');
  }
  return 0;
}

/** `policy test`: exit 0 when every token would comply, 1 when some would not. */
export async function testPolicy(flags: PolicyFlags): Promise<number> {
  const client = await signedInClient();
  const request = await requestOf(client, flags);
  const outcome = await client.policy.dryRun(request);
  if (flags.json) printJson(outcome);
  else printOutcome(outcome, request.enforcement === 'block' ? 'inactive then' : 'on a list and good as before');
  return outcome.not_complying === 0 ? 0 : 1;
}

async function requestOf(client: Client, flags: PolicyFlags): Promise<PolicyRequest> {
  return withFlags(flags.file === undefined ? await client.policy.show() : await readPolicy(flags.file), flags);
}

async function readPolicy(file: string): Promise<PolicyRequest> {
  const policy = policyRequest.safeParse(await readJson(file, 'the policy', FILE_HINT));
  if (policy.success) return policy.data;
  const faults = fieldErrors(policy.error).map(({ pointer, detail }) => `${printable(pointer)} ${detail}`);
  throw new UsageError(`this is no policy: ${faults.join('; ')}`);
}

/** Whether tokens may end up useless by it. */
function holdsBack(request: PolicyRequest): boolean {
  return request.enforcement === 'block' || isFreezing(request);
}

function isFreezing({ freeze_unused_after_days: days }: PolicyRequest): boolean {
  return days !== undefined && days !== null;
}

async function isConfirmed(client: Client, request: PolicyRequest): Promise<boolean> {
  const { not_complying, to_freeze } = await client.policy.dryRun(request);
  const slug = printable((await client.me()).workspace.slug);
  const said = [
    request.enforcement === 'block' &&
      `${not_complying} tokens of workspace ${slug} will be inactive at their next check.`,
    isFreezing(request) && `${to_freeze} unused tokens of workspace ${slug} will be frozen.`,
  ].filter((line) => line !== false);
  return await confirm(said.join(' '), 'yes');
}

function printPolicy(policy: WorkspacePolicy): void {
  const lines = renderDetails(
    [
      ['enforcement', policy.enforcement],
      ['longest expiry', policy.longest_expiry_days === null ? null : `${policy.longest_expiry_days} days`],
      ['scopes', policy.allowed_scopes?.join(' ')],
      ['must be constrained by', policy.required_constraints?.join(' ')],
      ['repositories', policy.allowed_repositories?.join(', ')],
      ['tokens per workflow', policy.max_tokens_per_workflow?.toString()],
      ['minters', policy.minters?.join(' ')],
      [
        'unused are frozen',
        policy.freeze_unused_after_days === null ? null : `after ${policy.freeze_unused_after_days} days`,
      ],
    ],
    outputView(),
  );
  for (const line of lines) print(line);
  if (lines.length === 1) say('It bounds nothing. `countersign policy set` does.');
}

function printOutcome({ not_complying, tokens, to_freeze, crowded_workflows }: PolicyOutcome, what: string): void {
  if (tokens.length > 0) for (const line of renderTable(COLUMNS, tokens, outputView())) print(line);
  const unlisted = not_complying - tokens.length;
  say(
    not_complying === 0
      ? 'Every token complies.'
      : `Tokens that do not comply: ${not_complying}${unlisted > 0 ? ` (${unlisted} not listed)` : ''}. They are ${what}.`,
  );
  if (to_freeze > 0) say(`Unused tokens that are frozen by it: ${to_freeze}.`);
  for (const { workflow, tokens: count } of crowded_workflows) {
    say(`${printable(workflow)} has ${count} tokens and gets no further ones.`);
  }
}
