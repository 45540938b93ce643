import { existsSync } from 'node:fs';
import { takeBuildkiteIdToken } from './buildkite-id-token.js';
import { isSet } from './ci-context.js';
import { takeGitHubIdToken } from './github-id-token.js';
import { type IdTokenSource, idTokenIn, type PlatformName } from './id-token.js';
import { takeIdTokenFile } from './id-token-file.js';

type Environment = Readonly<Record<string, string | undefined>>;

export interface SourceOptions {
  /** Which platform it is; without it the variables say so. */
  readonly platform: PlatformName | undefined;
  /** The variable that holds the token where one does (default `COUNTERSIGN_ID_TOKEN`). */
  readonly variable: string | undefined;
  /** Reads the token from standard input, where that is the command's to read. */
  readonly readInput?: (() => Promise<string>) | undefined;
  /** How long a platform that is asked may take (default 10; 30 where its agent asks, which tries again itself). */
  readonly timeoutSeconds?: number | undefined;
}

/** Why no source can be made of what there is: for the user to change. */
export interface SourceFault {
  readonly platform: undefined;
  readonly fault: string;
}

const VARIABLE = 'COUNTERSIGN_ID_TOKEN';
const FILE_VARIABLE = 'COUNTERSIGN_ID_TOKEN_FILE';
const KUBERNETES_FILE = '/var/run/secrets/tokens/countersign';

/** The variables by which a job gets tokens of its platform, or others by which it gets those, beside one that somebody
 *  named. The runner's own token of GitHub Actions serves as the request token too; by the job API of Buildkite's agent the
 *  environment of the whole job can be read. */
export const ID_TOKEN_VARIABLES: readonly string[] = [
  VARIABLE,
  FILE_VARIABLE,
  'ACTIONS_ID_TOKEN_REQUEST_TOKEN',
  'ACTIONS_ID_TOKEN_REQUEST_URL',
  'ACTIONS_RUNTIME_TOKEN',
  'BUILDKITE_AGENT_ACCESS_TOKEN',
  'BUILDKITE_AGENT_JOB_API_SOCKET',
  'BUILDKITE_AGENT_JOB_API_TOKEN',
];

/** Finds what gives the job's token. A token that somebody put into a variable or a file beats what the platform would
 *  give. Nothing is asked yet. */
export function idTokenSource(env: Environment, options: SourceOptions): IdTokenSource | SourceFault {
  const variable = options.variable ?? VARIABLE;
  if (isGiven(env[variable]) && isGiven(env[FILE_VARIABLE]))
    return fault(`${variable} and ${FILE_VARIABLE} are both set: keep one`);
  const platform = options.platform ?? detect(env, variable, options);
  switch (platform) {
    case 'github_actions':
      return gitHubSource(env, options);
    case 'buildkite':
      return buildkiteSource(env, options);
    case 'gitlab_ci':
      return isGiven(env[variable])
        ? variableSource(platform, env, variable)
        : fault(`${variable} is not set: the job wants \`id_tokens: { ${variable}: { aud: <the service's URL> } }\``);
    case 'kubernetes':
      return fileSource(platform, given(env[FILE_VARIABLE]) ?? KUBERNETES_FILE);
    case 'generic':
      return genericSource(env, variable, options);
    case undefined:
      return fault(
        `this is no platform that is known by its variables. --platform says which, or ${variable} or ${FILE_VARIABLE} gives its token`,
      );
  }
}

function detect(env: Environment, variable: string, options: SourceOptions): PlatformName | undefined {
  if (isGiven(env[FILE_VARIABLE])) return 'generic';
  if (isSet(env['GITLAB_CI'])) return 'gitlab_ci';
  if (isGiven(env[variable]) || options.variable !== undefined) return 'generic';
  if (isSet(env['GITHUB_ACTIONS'])) return 'github_actions';
  if (isSet(env['BUILDKITE'])) return 'buildkite';
  return isSet(env['KUBERNETES_SERVICE_HOST']) && existsSync(KUBERNETES_FILE) ? 'kubernetes' : undefined;
}

function gitHubSource(env: Environment, { timeoutSeconds }: SourceOptions): IdTokenSource | SourceFault {
  const url = given(env['ACTIONS_ID_TOKEN_REQUEST_URL']);
  const requestToken = given(env['ACTIONS_ID_TOKEN_REQUEST_TOKEN']);
  if (url === undefined || requestToken === undefined) {
    return fault(
      'GitHub Actions gives this job no token: it wants `permissions: id-token: write`, which a run for a fork cannot have',
    );
  }
  const requestUrl = URL.canParse(url) ? new URL(url) : undefined;
  if (requestUrl === undefined || !isPrivateTo(requestUrl) || requestUrl.hash !== '') {
    return fault('ACTIONS_ID_TOKEN_REQUEST_URL is not an https URL');
  }
  if (!HEADER_SAFE.test(requestToken))
    return fault('ACTIONS_ID_TOKEN_REQUEST_TOKEN holds characters that no token has');
  return {
    platform: 'github_actions',
    takesAudience: true,
    secrets: [requestToken].filter(isSecret),
    take: (audience) => takeGitHubIdToken({ requestUrl, requestToken, timeoutSeconds }, audience),
  };
}

function buildkiteSource(env: Environment, { timeoutSeconds }: SourceOptions): IdTokenSource {
  const secrets = [env['BUILDKITE_AGENT_ACCESS_TOKEN'], env['BUILDKITE_AGENT_JOB_API_TOKEN']]
    .filter(isGiven)
    .filter(isSecret);
  return {
    platform: 'buildkite',
    takesAudience: true,
    secrets,
    take: (audience) => takeBuildkiteIdToken({ env, secrets, timeoutSeconds }, audience),
  };
}

function genericSource(env: Environment, variable: string, { readInput }: SourceOptions): IdTokenSource | SourceFault {
  const path = given(env[FILE_VARIABLE]);
  if (isGiven(env[variable])) return variableSource('generic', env, variable);
  if (path !== undefined) return fileSource('generic', path);
  if (readInput === undefined) return fault(`neither ${variable} nor ${FILE_VARIABLE} is set`);
  let text: Promise<string> | undefined;
  return {
    platform: 'generic',
    takesAudience: false,
    secrets: [],
    take: async () => {
      text ??= readInput();
      return idTokenIn(await text, 'standard input');
    },
  };
}

function variableSource(platform: PlatformName, env: Environment, variable: string): IdTokenSource {
  const text = env[variable] ?? '';
  return {
    platform,
    takesAudience: false,
    secrets: [text.trim()].filter(isSecret),
    take: async () => idTokenIn(text, variable),
  };
}

function fileSource(platform: PlatformName, path: string): IdTokenSource {
  return { platform, takesAudience: false, secrets: [], take: () => takeIdTokenFile(path) };
}

// What a header can carry. Anything else would make fetch fail with the value in its message.
const HEADER_SAFE = /^[\x21-\x7e]+$/;

function isPrivateTo({ protocol, hostname, username, password }: URL): boolean {
  if (username !== '' || password !== '') return false;
  if (protocol === 'https:') return true;
  return protocol === 'http:' && (hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname));
}

/** Anything shorter is no secret of a platform's, and would mask what is none. */
function isSecret(text: string): boolean {
  return text.length >= 8;
}

function given(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}

function isGiven(value: string | undefined): value is string {
  return given(value) !== undefined;
}

function fault(text: string): SourceFault {
  return { platform: undefined, fault: text };
}
