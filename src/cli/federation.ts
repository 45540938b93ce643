import { isWorkflowLabel } from '../rules/workflow.js';
import { type IdTokenSource, PLATFORMS, type PlatformName } from '../runner/id-token.js';
import { ID_TOKEN_VARIABLES, idTokenSource, type SourceOptions } from '../runner/id-token-source.js';
import { UsageError } from './usage-error.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** The flags by which a command says what it exchanges, and for what. */
export interface FederationFlags {
  readonly platform?: string | undefined;
  readonly audience?: string | undefined;
  readonly rule?: string | undefined;
  readonly idTokenVariable?: string | undefined;
}

/** What is exchanged, and for what. */
export interface Federation {
  readonly source: IdTokenSource;
  readonly audience: string | undefined;
  readonly rule: string | undefined;
  /** The variables that give the platform's tokens. */
  readonly variables: readonly string[];
}

const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
// What a process can be given as an argument, and a URL can carry. Platforms take far less.
const AUDIENCE = /^[\x21-\x7e]{1,1024}$/;

/** Reads the flags and finds what gives the job's token. Throws {@link UsageError}, before anything is asked. */
export function readFederation(
  env: Environment,
  flags: FederationFlags,
  readInput?: SourceOptions['readInput'],
): Federation {
  const { audience, rule, idTokenVariable } = flags;
  const platform = usablePlatform(flags.platform);
  if (idTokenVariable !== undefined && !VARIABLE_NAME.test(idTokenVariable)) {
    throw new UsageError('--id-token-variable wants the name of a variable, such as COUNTERSIGN_ID_TOKEN');
  }
  if (rule !== undefined && !isRule(rule)) throw new UsageError('--rule wants WORKSPACE/RULE, such as acme/api-main');
  if (audience !== undefined && !AUDIENCE.test(audience)) {
    throw new UsageError('--audience wants one word, most often the URL of the service');
  }
  const source = idTokenSource(env, { platform, variable: idTokenVariable, readInput });
  if (source.platform === undefined) throw new UsageError(source.fault);
  if (audience !== undefined && !source.takesAudience) {
    throw new UsageError(
      '--audience is for platforms that are asked for a token: here it was set where the token is made',
    );
  }
  const named = idTokenVariable === undefined ? [] : [idTokenVariable];
  return { source, audience, rule, variables: [...ID_TOKEN_VARIABLES, ...named] };
}

function isRule(text: string): boolean {
  const [workspace = '', rule = '', ...rest] = text.split('/');
  return isWorkflowLabel(workspace) && isWorkflowLabel(rule) && rest.length === 0;
}

function usablePlatform(name: string | undefined): PlatformName | undefined {
  if (name === undefined) return undefined;
  const platform = PLATFORMS.find((one) => one === name);
  if (platform !== undefined) return platform;
  throw new UsageError(`--platform wants one of ${PLATFORMS.join(', ')}`);
}
