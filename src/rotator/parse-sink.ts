import { splitSinkText } from '../rules/sink-text.js';
import { awsSecret } from './aws-secret.js';
import { execSink } from './exec-sink.js';
import { fileSink } from './file-sink.js';
import { environmentSecret, organisationSecret, repositorySecret } from './github-secrets.js';
import { groupVariable, projectVariable } from './gitlab-variables.js';
import { googleSecret } from './google-secret.js';
import { kubernetesSecret } from './kubernetes-secret.js';
import { type Environment, type MakeSink, type Sink, SinkTextError } from './sink.js';
import { vaultSecret } from './vault-secret.js';

/** The kinds of sinks, by what stands before the first colon of their text. */
const KINDS: Readonly<Record<string, MakeSink>> = {
  file: fileSink,
  exec: execSink,
  vault: vaultSecret,
  kubernetes: kubernetesSecret,
  aws: awsSecret,
  google: googleSecret,
  github: repositorySecret,
  'github-env': environmentSecret,
  'github-org': organisationSecret,
  gitlab: projectVariable,
  'gitlab-group': groupVariable,
};

/** Reads the text of a sink, `KIND:WHERE`. Its credentials come from the environment, and are missed here already. Throws
 *  {@link SinkTextError}. */
export function parseSink(text: string, env: Environment): Sink {
  const { kind = '', rest = '' } = splitSinkText(text) ?? {};
  const make = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  if (make !== undefined) return make(rest, text, env);
  const known = Object.keys(KINDS).map((one) => `${one}:…`);
  throw new SinkTextError(`${JSON.stringify(text)} is no sink: give one of ${known.join(', ')}`);
}
