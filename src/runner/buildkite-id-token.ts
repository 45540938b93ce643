import { type ExecFileException, execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { IdTokenError, idTokenIn, MOST_ID_TOKEN_INPUT_BYTES } from './id-token.js';
import { maskText } from './mask.js';

const AGENT = 'buildkite-agent';
// The agent itself tries again while Buildkite is out of reach.
const DEFAULT_TIMEOUT_SECONDS = 30;
const LONGEST_CAUSE = 300;

/** What the agent of a Buildkite job works with. */
export interface BuildkiteIdentity {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What must not show in what it says. */
  readonly secrets: readonly string[];
  readonly timeoutSeconds: number | undefined;
}

/** Has the Buildkite agent of this job ask for a token for an audience. Throws {@link IdTokenError}. */
export async function takeBuildkiteIdToken(identity: BuildkiteIdentity, audience: string): Promise<string> {
  const { env, secrets, timeoutSeconds = DEFAULT_TIMEOUT_SECONDS } = identity;
  const { COUNTERSIGN_TOKEN: _token, COUNTERSIGN_TOKEN_FILE: _file, ...rest } = env;
  const agent = await agentOn(rest['PATH'] ?? '');
  const args = ['oidc', 'request-token', '--audience', audience];
  const options = {
    env: rest,
    timeout: timeoutSeconds * 1000,
    killSignal: 'SIGKILL',
    maxBuffer: MOST_ID_TOKEN_INPUT_BYTES,
  } as const;
  return await new Promise((resolve, reject) => {
    const child = execFile(agent, args, options, (error, stdout, stderr) => {
      try {
        if (error) throw new IdTokenError(causeOf(error, maskText(stderr, ...secrets), timeoutSeconds));
        resolve(idTokenIn(stdout, `what ${AGENT} gave`));
      } catch (fault) {
        reject(fault);
      }
    });
    child.stdin?.end();
  });
}

/** A relative entry of the `PATH` leads into the checkout, which is not the one to say who the job is. */
async function agentOn(path: string): Promise<string> {
  for (const directory of path.split(delimiter).filter(isAbsolute)) {
    const file = join(directory, AGENT);
    const isThere = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return file;
  }
  throw new IdTokenError(`there is no ${AGENT} on the PATH`);
}

function causeOf(error: ExecFileException, stderr: string, timeoutSeconds: number): string {
  const { code, killed } = error;
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return `${AGENT} gave more than a token`;
  if (killed) return `${AGENT} gave no token within ${timeoutSeconds} s`;
  const said = stderr.trim().split('\n').at(-1)?.slice(0, LONGEST_CAUSE) ?? '';
  return `${AGENT} gave no token (${typeof code === 'number' ? `it exited with ${code}` : String(code)})${said === '' ? '' : `: ${said}`}`;
}
