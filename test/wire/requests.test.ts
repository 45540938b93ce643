import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { printToken } from '../../src/rules/format.js';
import { listAuditOperation } from '../../src/wire/audit.js';
import { execCheckRequest, finishRequest, listExecChecksOperation } from '../../src/wire/exec-checks.js';
import { inviteRequest, memberPatch } from '../../src/wire/members.js';
import { fieldErrors } from '../../src/wire/primitives.js';
import {
  listTokensOperation,
  mintRequest,
  revocationRequest,
  revokeRequest,
  rotateRequest,
  transferRequest,
} from '../../src/wire/tokens.js';
import { recordToolDecisionsRequest } from '../../src/wire/tool-decisions.js';
import { toolDryRunRequest, toolRules } from '../../src/wire/tool-rules.js';
import { workflowRequest } from '../../src/wire/workflows.js';
import { anyToken } from '../setup/arbitraries.js';

const ID = '0'.repeat(22);

/** Every message that the service reads, with all its members. */
const REQUESTS: Readonly<Record<string, { schema: z.ZodType; full: Readonly<Record<string, unknown>> }>> = {
  mint: {
    schema: mintRequest,
    full: {
      workflow: 'nightly',
      scopes: ['repo:read'],
      expires_in_days: 7,
      name: 'nightly',
      constraints: { refs: ['refs/heads/main'] },
      not_before: '2026-01-31T12:00:00Z',
    },
  },
  rotate: { schema: rotateRequest, full: { expires_in_days: 7, overlap_seconds: 0, drain_seconds: 0 } },
  revoke: { schema: revokeRequest, full: { reason: 'leaked', note: 'in a log' } },
  transfer: { schema: transferRequest, full: { owner_id: `mem_${ID}` } },
  revocation: { schema: revocationRequest, full: { reason: 'leaked', dry_run: true, workflow: 'nightly' } },
  workflow: {
    schema: workflowRequest,
    full: {
      description: 'tests',
      allowed_scopes: ['repo:*'],
      allowed_expiry_days: [7],
      constraints: {},
      max_run_seconds: 60,
    },
  },
  'tool decisions': {
    schema: recordToolDecisionsRequest,
    full: {
      decisions: [
        { id: `dec_${ID}`, at: '2026-01-31T12:00:00Z', event: 'PreToolUse', decision: 'deny', code: 'tool_rule' },
      ],
    },
  },
  'tool rules': { schema: toolRules, full: { default: 'ask', rules: [{ verdict: 'deny', tool: 'mcp__*' }] } },
  'tool dry run': {
    schema: toolDryRunRequest,
    full: { tool: 'Bash', input: {}, rules: { default: 'deny', rules: [] } },
  },
  invite: { schema: inviteRequest, full: { email: 'ada@example.com', name: 'Ada', role: 'member' } },
  'member patch': { schema: memberPatch, full: { role: 'auditor' } },
  'exec check': {
    schema: execCheckRequest,
    full: {
      token: 'x',
      workflow: 'nightly',
      scopes: ['repo:read'],
      context: { repository: 'acme/app', ref: 'refs/heads/main', environment: 'prod', job: '1', command: 'make' },
    },
  },
  finish: { schema: finishRequest, full: { exit_code: 0, signal: 'SIGTERM' } },
};

/** Parses as the server does, from JSON text, so that `__proto__` is a member like any other. */
function takes(schema: z.ZodType, value: object, extra = ''): boolean {
  const text = JSON.stringify(value);
  const separator = text === '{}' || extra === '' ? '' : ',';
  return schema.safeParse(JSON.parse(`${text.slice(0, -1)}${separator}${extra}}`)).success;
}

const membersOf = (value: unknown) => (typeof value === 'object' && value !== null ? Object.keys(value) : []);

describe.each(Object.entries(REQUESTS))('the %s request', (_, { schema, full }) => {
  test('is taken as it should be', () => {
    expect(takes(schema, full)).toBe(true);
  });

  test('refuses members that it does not know, hostile names among them', () => {
    const names = [
      'extra',
      '__proto__',
      'constructor',
      'prototype',
      'toString',
      'hasOwnProperty',
      '',
      '\u0000',
      'Role',
    ];
    for (const name of names) expect([name, takes(schema, full, `${JSON.stringify(name)}:{}`)]).toEqual([name, false]);
    expect(takes(schema, full, '"\\ud800":1')).toBe(false);
  });

  test('refuses each member of another type', () => {
    const other = (value: unknown) =>
      typeof value === 'string' ? [7, true, null, ['a'], {}] : ['7', 1.5, [[]], ['', 7]];
    for (const [name, value] of Object.entries(full)) {
      for (const wrong of other(value)) {
        expect([name, wrong, takes(schema, { ...full, [name]: wrong })]).toEqual([name, wrong, false]);
      }
    }
  });

  test('refuses hostile text in every member', () => {
    const hostile = ['\u0000', 'a\u0000b', '\u001b[31m', '\ud800', 'a'.repeat(65_536)];
    // A token is not a text that is kept: what is malformed is not found.
    const kept = Object.entries(full).filter(([name]) => name !== 'token');
    for (const text of hostile) {
      for (const [name, value] of kept) {
        const inside = Array.isArray(value) ? [[text]] : membersOf(value).map((key) => ({ [key]: text }));
        for (const wrong of [text, ...inside]) {
          expect([name, wrong, takes(schema, { ...full, [name]: wrong })]).toEqual([name, wrong, false]);
        }
      }
    }
  });

  test('never repeats a value in what it says of a fault: it may be a secret in the wrong place', () => {
    fc.assert(
      fc.property(anyToken, fc.constantFrom(...Object.keys(full)), (token, name) => {
        const secret = `${printToken(token)}\u0000`;
        for (const value of [secret, [secret], { refs: [secret], ref: secret }]) {
          const result = schema.safeParse({ ...full, [name]: value });
          if (!result.success) expect(JSON.stringify(fieldErrors(result.error))).not.toContain(token.tokenSecret);
        }
      }),
      { numRuns: 50 },
    );
  });

  test('is an object', () => {
    for (const value of [undefined, null, [], 'x', 7, true, [full]])
      expect(schema.safeParse(value).success).toBe(false);
  });
});

describe('whole numbers', () => {
  const wrong = [1.5, 1e21, Number.NaN, Number.POSITIVE_INFINITY, '7', '', true, false, null, [7], {}, 7n, 2 ** 53];

  test.each([
    ['expires_in_days', 1, 366],
    ['overlap_seconds', 0, 604_800],
    ['drain_seconds', 0, 604_800],
  ])('%s is one from %d to %d', (name, min, max) => {
    for (const value of [min, max]) expect(rotateRequest.safeParse({ [name]: value }).success).toBe(true);
    for (const value of [min - 1, max + 1, ...wrong]) {
      expect([value, rotateRequest.safeParse({ [name]: value }).success]).toEqual([value, false]);
    }
  });

  test('max_run_seconds and allowed_expiry_days too', () => {
    for (const value of [0, -1, 2_592_001, ...wrong]) {
      expect(workflowRequest.safeParse({ max_run_seconds: value }).success).toBe(false);
    }
    for (const value of [0, 367, ...wrong]) {
      expect(workflowRequest.safeParse({ allowed_expiry_days: [value] }).success).toBe(false);
    }
    expect(workflowRequest.safeParse({ allowed_expiry_days: [] }).success).toBe(false);
    expect(workflowRequest.parse({ allowed_expiry_days: [90, 7, 90] }).allowed_expiry_days).toEqual([7, 90]);
  });

  test('an exit code is one of 0 to 255, or null for a signal', () => {
    for (const value of [0, 255, null]) expect(finishRequest.safeParse({ exit_code: value }).success).toBe(true);
    for (const value of [-1, 256, ...wrong.filter((one) => one !== null), undefined]) {
      expect(finishRequest.safeParse({ exit_code: value }).success).toBe(false);
    }
  });

  test('a minus zero is a zero', () => {
    const { overlap_seconds: seconds } = rotateRequest.parse(JSON.parse('{"overlap_seconds":-0}'));
    expect(JSON.stringify(seconds)).toBe('0');
  });
});

describe('single requests', () => {
  test('a mint asks for at least one scope', () => {
    expect(takes(mintRequest, { workflow: 'a', scopes: [], expires_in_days: 7 })).toBe(false);
  });

  test('a revocation selects by exactly one thing', () => {
    const selectors = [
      { workflow: 'nightly' },
      { creator_id: `mem_${ID}` },
      { lineage_id: `tok_${ID}` },
      { issued_before: '2026-01-31T12:00:00Z' },
      { workspace: true },
    ];
    const taken = (selector: object) => takes(revocationRequest, { reason: 'leaked', ...selector });
    for (const one of selectors) {
      expect(taken(one)).toBe(true);
      for (const other of selectors.filter((each) => each !== one)) expect(taken({ ...one, ...other })).toBe(false);
    }
    expect([taken({}), taken({ workspace: false }), taken({ dry_run: true })]).toEqual([false, false, false]);
  });

  test('a member is patched in one thing at a time', () => {
    expect(takes(memberPatch, {})).toBe(false);
    expect(takes(memberPatch, { role: 'member', name: 'Ada' })).toBe(false);
    expect(takes(memberPatch, { role: 'root' })).toBe(false);
    expect(takes(memberPatch, { role: 'constructor' })).toBe(false);
  });

  test.each([
    '',
    'ada',
    'a@b',
    '@b.co',
    'a b@c.co',
    'a@b.co\n',
    'a\u0000@b.co',
    'a@b.co,c@d.co',
    `${'a'.repeat(250)}@b.co`,
  ])('an e-mail address is not %j', (email) => {
    expect(takes(inviteRequest, { email, role: 'member' })).toBe(false);
  });

  test('a signal has the name of one', () => {
    for (const signal of ['SIGKILL', 'SIGRTMIN+3'])
      expect(takes(finishRequest, { exit_code: null, signal })).toBe(true);
    for (const signal of ['9', 'KILL', 'sigkill', 'SIGKILL\n', 'SIG']) {
      expect(takes(finishRequest, { exit_code: null, signal })).toBe(false);
    }
  });
});

describe('queries', () => {
  test('refuse parameters that they do not know', () => {
    for (const { query } of [listTokensOperation, listAuditOperation, listExecChecksOperation]) {
      expect(takes(query, {})).toBe(true);
      for (const name of ['extra', '__proto__', 'constructor', 'Limit']) {
        expect(takes(query, {}, `${JSON.stringify(name)}:"1"`)).toBe(false);
      }
    }
  });

  test('a seq is a whole number', () => {
    for (const after of ['0', '1', '999999999999999'])
      expect(listAuditOperation.query.parse({ after }).after).toBe(Number(after));
    for (const after of ['', '-1', '01', '1.5', '1e3', '9'.repeat(16), ' 1', '1\n', 'NaN']) {
      expect(takes(listAuditOperation.query, { after })).toBe(false);
    }
  });

  test('exec checks are listed after a check or a time', () => {
    for (const after of [`chk_${ID}`, '2026-01-31T12:00:00Z'])
      expect(takes(listExecChecksOperation.query, { after })).toBe(true);
    for (const after of [`tok_${ID}`, '7', '']) expect(takes(listExecChecksOperation.query, { after })).toBe(false);
  });
});
