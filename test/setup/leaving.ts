import { randomBytes } from 'node:crypto';
import type { Departure } from '../../src/rules/departure.js';
import { parsePublicId, parseToken } from '../../src/rules/format.js';
import type { Client } from '../../src/sdk/index.js';
import { suspendMember } from '../../src/store/members.js';
import type { Leaver, MintedToken, WorkflowRequest } from '../../src/wire/resources.js';
import type { TestService } from './service.js';

/** A member of the workspace, who can sign in. */
export interface Person {
  readonly id: string;
  readonly email: string;
  readonly signIn: string;
}

/** A person with a token of a workflow of its own. */
export interface Maker extends Person {
  readonly label: string;
  readonly tokenId: string;
  readonly token: string;
}

/** People who come and go. */
export interface Leaving {
  /** An owner's, with a token of a year: the clock of a test goes on for weeks. */
  readonly client: Client;
  makePerson(role?: 'owner' | 'admin' | 'member' | 'auditor'): Promise<Person>;
  makeMaker(leaver?: Leaver | null, workflow?: WorkflowRequest): Promise<Maker>;
  mint(person: Person, label: string): Promise<MintedToken>;
  /** Has a person go: by hand, or as a sign from outside tells it. */
  go(person: Pick<Person, 'id'>, departure: Departure): Promise<void>;
  isActive(token: string): Promise<boolean>;
  /** What is on record of a thing, oldest first. */
  trailOf(target: string): Promise<string[]>;
}

export async function peopleOf(service: TestService): Promise<Leaving> {
  await service.makeWorkflow('steward', { allowed_expiry_days: [366] });
  const mintSteward = { workflow: 'steward', scopes: ['workspace:admin'], expires_in_days: 366 };
  const steward = await service.client().tokens.mint(mintSteward);
  const client = service.client(steward.token);
  let serial = 0;
  const leaving: Leaving = {
    client,
    makePerson: async (role = 'member') => {
      const email = `${role}-${randomBytes(6).toString('hex')}@acme.example`;
      const { invitation } = await client.members.invite({ email, role });
      const { id, token } = await service.client(null).members.accept(invitation);
      return { id, email, signIn: token };
    },
    makeMaker: async (leaver = null, workflow = {}) => {
      const label = `made-${++serial}`;
      await client.workflows.put(label, { allowed_scopes: ['repo:*', 'codex:*'], ...workflow, leaver });
      const person = await leaving.makePerson();
      const minted = await leaving.mint(person, label);
      return { ...person, label, tokenId: minted.id, token: minted.token };
    },
    mint: (person, label) => {
      const request = { workflow: label, scopes: ['repo:read'], expires_in_days: 30 };
      return service.client(person.signIn).tokens.mint(request);
    },
    go: async (person, departure) => {
      if (departure === 'removed') return client.members.remove(person.id);
      if (departure === 'suspended') return void (await client.members.suspend(person.id));
      const id = parsePublicId('mem', person.id);
      const caller = parseToken(steward.token);
      if (id === undefined || caller === undefined) throw new Error('malformed');
      const workspaceId = service.owner.workspace.id;
      const change = {
        workspaceId,
        id,
        caller: { workspaceId, tokenId: caller.id },
        origin: { actorType: 'system', actorId: 'provider' },
        now: service.clock.now(),
      } as const;
      const outcome = await suspendMember(service.db.db, change, 'left');
      if (!outcome.ok) throw new Error(`refused: ${outcome.refusal.kind}`);
    },
    isActive: async (token) => (await client.introspect(token)).active,
    trailOf: async (target) => {
      const { data } = await client.auditEvents({ target, limit: 200 });
      return data.map(({ action }) => action);
    },
  };
  return leaving;
}
