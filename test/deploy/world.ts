import { join } from 'node:path';
import { expect } from 'vitest';
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
