import * as text from '../rules/sink-text.js';
import { placeOf } from './sink.js';

/** Where a secret of GitHub Actions lives: what is asked for it, and how people call it. */
export interface GitHubPlace {
  /** The path of the secrets of its owner in the API. */
  readonly path: string;
  /** The secret's own name. */
  readonly secretName: string;
  readonly description: string;
  /** An organisation says which of its repositories may read a secret. */
  readonly isOrganisations: boolean;
}

/** `OWNER/REPO/NAME`. Throws {@link SinkTextError}. */
export function repositoryPlace(rest: string): GitHubPlace {
  const place = placeOf(text.repositoryPlace(rest), rest, 'secret of a repository: github:OWNER/REPO/NAME');
  const { owner, repository, secretName } = place;
  return {
    path: `/repos/${owner}/${repository}/actions/secrets`,
    secretName,
    description: `the secret ${secretName} of the repository ${owner}/${repository} on GitHub`,
    isOrganisations: false,
  };
}

/** `OWNER/REPO/ENVIRONMENT/NAME`. Throws {@link SinkTextError}. */
export function environmentPlace(rest: string): GitHubPlace {
  const form = 'secret of an environment: github-env:OWNER/REPO/ENVIRONMENT/NAME';
  const { owner, repository, environment, secretName } = placeOf(text.environmentPlace(rest), rest, form);
  return {
    path: `/repos/${owner}/${repository}/environments/${encodeURIComponent(environment)}/secrets`,
    secretName,
    description: `the secret ${secretName} of the environment ${environment} of ${owner}/${repository} on GitHub`,
    isOrganisations: false,
  };
}

/** `ORG/NAME`. Throws {@link SinkTextError}. */
export function organisationPlace(rest: string): GitHubPlace {
  const form = 'secret of an organisation: github-org:ORG/NAME';
  const { organisation, secretName } = placeOf(text.organisationPlace(rest), rest, form);
  return {
    path: `/orgs/${organisation}/actions/secrets`,
    secretName,
    description: `the secret ${secretName} of the organisation ${organisation} on GitHub`,
    isOrganisations: true,
  };
}
