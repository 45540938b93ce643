/** Where a secret of Vault or OpenBao lives. */
export interface VaultPlace {
  readonly mount: string;
  readonly path: readonly string[];
  readonly key: string;
}

/** A key of a Secret of Kubernetes. */
export interface KubernetesPlace {
  readonly namespace: string;
  readonly secretName: string;
  readonly key: string;
}

/** A secret of GitHub Actions of a repository. */
export interface RepositoryPlace {
  readonly owner: string;
  readonly repository: string;
  readonly secretName: string;
}

/** A secret of GitHub Actions of an environment of a repository. */
export interface EnvironmentPlace extends RepositoryPlace {
  readonly environment: string;
}

/** A secret of GitHub Actions of an organisation. */
export interface OrganisationPlace {
  readonly organisation: string;
  readonly secretName: string;
}

/** A CI/CD variable of GitLab. */
export interface GitLabPlace {
  /** The path or number of its project or group. */
  readonly owner: string;
  readonly variable: string;
  readonly environment: string | undefined;
}

/** A secret of AWS Secrets Manager, or a key of one. */
export interface AwsSecretPlace {
  /** Its name or its ARN. */
  readonly secret: string;
  /** That of the ARN. */
  readonly region: string | undefined;
  readonly key: string | undefined;
}

/** A secret of Google Secret Manager, or a key of one. */
export interface GoogleSecretPlace {
  /** Its id or number. */
  readonly project: string;
  readonly secret: string;
  readonly key: string | undefined;
}

// No part of a path leads to another path.
const SECRET_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const OWNER_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;
const REPOSITORY_NAME = /^(?!\.{1,2}$)[A-Za-z0-9._-]+$/;
const ENVIRONMENT_NAME = /^(?!\.{1,2}$)[^\x00-\x1f\x7f]{1,255}$/;
const DNS_NAME = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;
const NAMESPACE_PATH =
  /^(?!\.{1,2}(?:\/|$))[A-Za-z0-9_.][A-Za-z0-9_.-]*(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9_.][A-Za-z0-9_.-]*)*$/;
const VARIABLE_NAME = /^[A-Za-z0-9_]{1,255}$/;
const ENVIRONMENT_SCOPE = /^[^\x00-\x1f\x7f]{1,255}$/;
const GOOGLE_PROJECT = /^(?:[a-z0-9.-]{1,60}:)?[a-z0-9][a-z0-9-]{0,61}$/;
const GOOGLE_SECRET = /^[A-Za-z0-9_-]{1,255}$/;
const AWS_NAME = /^[A-Za-z0-9/_+=.@-]{1,512}$/;
const AWS_ARN = /^arn:aws[a-z-]*:secretsmanager:([a-z0-9-]{1,40}):\d{12}:secret:[A-Za-z0-9/_+=.@-]{1,519}$/;

/** The kind of a sink, which stands before the first colon of its text, and what follows; `undefined` for what has none. */
export function splitSinkText(text: string): { readonly kind: string; readonly rest: string } | undefined {
  const [, kind, rest] = /^([a-z-]+):(.+)$/s.exec(text) ?? [];
  return kind === undefined || rest === undefined ? undefined : { kind, rest };
}

/** Reads `MOUNT/PATH#KEY`. */
export function vaultPlace(rest: string): VaultPlace | undefined {
  const [, mount = '', path = '', key = ''] = /^([^/#]+)\/([^#]+)#([^#]+)$/.exec(rest) ?? [];
  const segments = path.split('/');
  const leadsOn = [mount, ...segments].some((one) => one === '' || one === '.' || one === '..');
  return leadsOn ? undefined : { mount, path: segments, key };
}

/** Reads `NAMESPACE/NAME#KEY`. */
export function kubernetesPlace(rest: string): KubernetesPlace | undefined {
  const [, namespace = '', secretName = '', key = ''] = /^([^/#]+)\/([^/#]+)#([-._a-zA-Z0-9]{1,253})$/.exec(rest) ?? [];
  return DNS_NAME.test(namespace) && DNS_NAME.test(secretName) ? { namespace, secretName, key } : undefined;
}

/** Reads `OWNER/REPO/NAME`. `public-key` is no name: its path is another thing's. */
export function repositoryPlace(rest: string): RepositoryPlace | undefined {
  const [, owner = '', repository = '', secretName = ''] = /^([^/]*)\/([^/]*)\/([^/]*)$/.exec(rest) ?? [];
  const isOne = OWNER_NAME.test(owner) && REPOSITORY_NAME.test(repository) && SECRET_NAME.test(secretName);
  return isOne ? { owner, repository, secretName } : undefined;
}

/** Reads `OWNER/REPO/ENVIRONMENT/NAME`; a slash in the name of an environment is a part of it. */
export function environmentPlace(rest: string): EnvironmentPlace | undefined {
  const [, owner = '', repository = '', environment = '', name = ''] =
    /^([^/]*)\/([^/]*)\/(.*)\/([^/]*)$/s.exec(rest) ?? [];
  const place = repositoryPlace(`${owner}/${repository}/${name}`);
  return place && ENVIRONMENT_NAME.test(environment) ? { ...place, environment } : undefined;
}

/** Reads `ORG/NAME`. */
export function organisationPlace(rest: string): OrganisationPlace | undefined {
  const [, organisation = '', secretName = ''] = /^([^/]*)\/([^/]*)$/.exec(rest) ?? [];
  return OWNER_NAME.test(organisation) && SECRET_NAME.test(secretName) ? { organisation, secretName } : undefined;
}

/** Reads `OWNER/NAME`, or `OWNER/NAME?environment=SCOPE`; the owner is a project or a group. */
export function gitLabPlace(rest: string): GitLabPlace | undefined {
  const [, owner = '', variable = '', environment] = /^([^?]*)\/([^/?]*)(?:\?environment=(.*))?$/s.exec(rest) ?? [];
  const isOne = NAMESPACE_PATH.test(owner) && VARIABLE_NAME.test(variable);
  return isOne && (environment === undefined || ENVIRONMENT_SCOPE.test(environment))
    ? { owner, variable, environment }
    : undefined;
}

/** Reads `NAME` or an ARN, with `#KEY` behind it or not. */
export function awsPlace(rest: string): AwsSecretPlace | undefined {
  const [, secret = '', key] = /^([^#]*)(?:#(.+))?$/s.exec(rest) ?? [];
  const region = AWS_ARN.exec(secret)?.[1];
  return region !== undefined || AWS_NAME.test(secret) ? { secret, region, key } : undefined;
}

/** Reads `PROJECT/SECRET` or `projects/PROJECT/secrets/SECRET`, with `#KEY` behind it or not. */
export function googlePlace(rest: string): GoogleSecretPlace | undefined {
  const [, path = '', key] = /^([^#]*)(?:#(.+))?$/s.exec(rest) ?? [];
  const [, project = '', secret = ''] =
    /^projects\/([^/]*)\/secrets\/([^/]*)$/.exec(path) ?? /^([^/]*)\/([^/]*)$/.exec(path) ?? [];
  return GOOGLE_PROJECT.test(project) && GOOGLE_SECRET.test(secret) ? { project, secret, key } : undefined;
}
