import { part } from './forge.js';

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

// No part of a path leads to another path.
const SECRET_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const OWNER_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;
const REPOSITORY_NAME = /^(?!\.{1,2}$)[A-Za-z0-9._-]+$/;
const ENVIRONMENT_NAME = /^(?!\.{1,2}$)[^\x00-\x1f\x7f]{1,255}$/;

/** `OWNER/REPO/NAME`. Throws {@link SinkTextError}. */
export function repositoryPlace(text: string): GitHubPlace {
  const [, owner = '', repository = '', name = ''] = /^([^/]*)\/([^/]*)\/([^/]*)$/.exec(text) ?? [];
  const secretName = nameOf(name);
  return {
    path: `${repositoryPath(owner, repository)}/actions/secrets`,
    secretName,
    description: `the secret ${secretName} of the repository ${owner}/${repository} on GitHub`,
    isOrganisations: false,
  };
}

/** `OWNER/REPO/ENVIRONMENT/NAME`; a slash in the name of an environment is a part of it. Throws {@link SinkTextError}. */
export function environmentPlace(text: string): GitHubPlace {
  const [, owner = '', repository = '', environment = '', name = ''] =
    /^([^/]*)\/([^/]*)\/(.*)\/([^/]*)$/s.exec(text) ?? [];
  const secretName = nameOf(name);
  const encoded = encodeURIComponent(part(ENVIRONMENT_NAME, environment, 'name of an environment'));
  return {
    path: `${repositoryPath(owner, repository)}/environments/${encoded}/secrets`,
    secretName,
    description: `the secret ${secretName} of the environment ${environment} of ${owner}/${repository} on GitHub`,
    isOrganisations: false,
  };
}

/** `ORG/NAME`. Throws {@link SinkTextError}. */
export function organisationPlace(text: string): GitHubPlace {
  const [, organisation = '', name = ''] = /^([^/]*)\/([^/]*)$/.exec(text) ?? [];
  const secretName = nameOf(name);
  return {
    path: `/orgs/${part(OWNER_NAME, organisation, 'name of an organisation')}/actions/secrets`,
    secretName,
    description: `the secret ${secretName} of the organisation ${organisation} on GitHub`,
    isOrganisations: true,
  };
}

function repositoryPath(owner: string, repository: string): string {
  return `/repos/${part(OWNER_NAME, owner, 'name of an owner')}/${part(REPOSITORY_NAME, repository, 'name of a repository')}`;
}

/** `public-key` is none: its path is another thing's. */
function nameOf(text: string): string {
  return part(SECRET_NAME, text, 'name of a secret');
}
