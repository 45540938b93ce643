import { join } from 'node:path';
import { expect } from 'vitest';
import { type Identity, makeIdentity } from '../setup/identity.js';
import { createListeningService, type ListeningService } from '../setup/listening.js';
import type { JobRequest } from './job.js';
import { makePlace, type Place, writeProgram } from './place.js';

/** A service with the workflow of the recipes, `codex-review`. */
export async function openWorld(): Promise<ListeningService> {
  const service = await createListeningService();
  await service.makeWorkflow('codex-review', { allowed_scopes: ['codex:*'] });
  return service;
}

/** A job of `acme/api` with a token of its own, on a machine that has the guard, unless something else is said. */
export async function makeJob(
  service: ListeningService,
  { repositories, ...over }: Partial<JobRequest> & { readonly repositories?: string[] } = {},
) {
  const constraints = repositories === undefined ? {} : { constraints: { repositories } };
  const { id, token } = await service.seedToken({ workflow: 'codex-review', scopes: ['codex:exec'], ...constraints });
  const place = over.place ?? makePlace({ hasGuard: true });
  // The agent that the workflow for GitHub Actions calls.
  writeProgram(join(place.bin, 'codex'), '#!/bin/sh\nprintf %s "$4" >prompt\nexec ./review.sh\n');
  const fixed = { url: service.url, token, repository: 'acme/api', branch: 'main', installs: undefined, env: {} };
  const request: JobRequest = { ...fixed, ...over, place };
  const recorded = async () => (await service.client().execChecks.list({ token: id })).data[0];
  return { request, place, id, recorded };
}

/** No one can find the token where the job was: not in what it printed, and in no file. Nor is anything left. */
export function expectNoTrace({ token, place }: { token: string; place: Place }, log: string): void {
  expect(log).not.toContain(token);
  expect(place.filesWith(token)).toEqual([]);
  expect(place.leftovers()).toEqual([]);
}

// Installations of one's own: a rule does not bring the keys of the issuers that everybody shares.
const ISSUERS = {
  github_actions: 'https://github.acme.example/_services/token',
  gitlab_ci: 'https://gitlab.acme.example',
  buildkite: 'https://buildkite.acme.example',
  kubernetes: 'https://oidc.cluster.acme.example',
  generic: 'https://spiffe.acme.example',
} as const;

/** The platforms that a trust rule can name, and one that it cannot. */
export type FederatedPlatform = keyof typeof ISSUERS;

/** What a platform says of a job of `acme/api` on the main branch, as far as rules look at it. */
const CLAIMS: Readonly<Record<FederatedPlatform, Record<string, unknown>>> = {
  github_actions: {
    sub: 'repo:acme/api:ref:refs/heads/main',
    repository: 'acme/api',
    repository_id: '1234',
    repository_owner_id: '12',
    ref: 'refs/heads/main',
    event_name: 'push',
    run_id: '1658821493',
  },
  gitlab_ci: {
    sub: 'project_path:acme/api:ref_type:branch:ref:main',
    project_id: '1234',
    project_path: 'acme/api',
    namespace_id: '12',
    ref: 'main',
    ref_path: 'refs/heads/main',
    ref_protected: 'true',
    pipeline_source: 'push',
    job_id: '302',
  },
  buildkite: {
    sub: 'organization:acme:pipeline:api:ref:refs/heads/main:commit:9f31:step:agent-review',
    organization_slug: 'acme',
    pipeline_slug: 'api',
    build_branch: 'main',
    build_source: 'webhook',
    build_number: 1,
  },
  kubernetes: {
    sub: 'system:serviceaccount:agents:nightly',
    'kubernetes.io': { namespace: 'agents', serviceaccount: { name: 'nightly', uid: '14ee3fa4' } },
  },
  generic: { sub: 'spiffe://acme.example/build-1' },
};

/** The rules that the recipes say how to make. */
const RULES = {
  github_actions: { claims: { repository_id: '1234', ref: 'refs/heads/main', event_name: 'push' } },
  gitlab_ci: { claims: { project_id: '1234', ref_protected: 'true' } },
  buildkite: { claims: { organization_slug: 'acme', pipeline_slug: 'api', build_branch: 'main' } },
  kubernetes: { claims: { sub: 'system:serviceaccount:agents:nightly' } },
  generic: { claims: { sub: 'spiffe://acme.example/build-1' } },
} as const;

/** Has the workspace trust all of the platforms, by keys that nobody has to fetch. */
export async function federate(service: ListeningService): Promise<Readonly<Record<FederatedPlatform, Identity>>> {
  const made = async (platform: FederatedPlatform): Promise<Identity> => {
    const identity = await makeIdentity(ISSUERS[platform]);
    await service.client().trustRules.put(platform, {
      ...(platform === 'generic' ? {} : { preset: platform }),
      issuer: identity.issuer,
      claims: RULES[platform].claims,
      workflow: 'codex-review',
      scopes: ['codex:exec', 'codex:review'],
      expires_in_seconds: 60,
      jwks: identity.jwks,
    });
    return identity;
  };
  return {
    github_actions: await made('github_actions'),
    gitlab_ci: await made('gitlab_ci'),
    buildkite: await made('buildkite'),
    kubernetes: await made('kubernetes'),
    generic: await made('generic'),
  };
}

/** A job of `acme/api` that is federated, on its main branch; with other claims where they are given. */
export async function makeFederatedJob(
  service: ListeningService,
  platform: FederatedPlatform,
  identity: Identity,
  { claims = {}, ...over }: Partial<JobRequest> & { readonly claims?: Readonly<Record<string, unknown>> } = {},
) {
  const made = await makeJob(service, over);
  const request: JobRequest = {
    ...made.request,
    identity: (audience) => identity.token(audience, { ...CLAIMS[platform], ...claims }),
  };
  const recorded = async () => {
    const id = /^COUNTERSIGN_CHECK_ID=(.*)$/m.exec(request.place.ran() ?? '')?.[1];
    return id === undefined ? undefined : await service.client().execChecks.show(id);
  };
  return { ...made, request, recorded };
}

/** As {@link expectNoTrace}, for a job that was federated: of neither token, whatever they were. */
export function expectNoFederatedTrace({ place }: { place: Place }, log: string, { given }: Identity): void {
  const secrets = given.map((token) => token.split('.')[2] ?? '');
  for (const secret of secrets) {
    expect(log).not.toContain(secret);
    expect(place.filesWith(secret)).toEqual([]);
  }
  expect(log).not.toMatch(/cst_\w{22}_\w{20}/);
  expect(place.filesWith('cst_')).toEqual([]);
  expect(place.leftovers()).toEqual([]);
}
