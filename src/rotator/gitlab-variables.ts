import { z } from 'zod';
import { gitLabPlace } from '../rules/sink-text.js';
import { VERSION } from '../version.js';
import { askForge, type Forge, type Pause, pauseByClock, strange } from './forge.js';
import { type Environment, HIDDEN, placeOf, type Seen, type Sink } from './sink.js';
import { credentialOf, sinkAddress } from './sink-call.js';

const GITLAB = 'https://gitlab.com/api/v4';
const REASONS: Forge['reasons'] = {
  400: 'the variable does not take the value',
  401: 'the token in GITLAB_TOKEN is not valid',
  403: 'the token may not read and write the variable',
  404: 'there is no such project, group or variable, or the token may not see it',
  409: 'several variables have this name: say which by ?environment=SCOPE',
};

const variableAnswer = z.object({
  key: z.string(),
  /** `null` of a variable that is hidden. */
  value: z.string().nullish(),
  hidden: z.boolean().default(false),
  environment_scope: z.string().default('*'),
});

/** `gitlab:PROJECT/NAME` with `?environment=SCOPE` where several variables have the name: a CI/CD variable of a project, by
 *  path or number. Only its value is changed; one that is not there is made, masked and protected. One that is hidden cannot
 *  be read back. The token is `GITLAB_TOKEN`, the API `GITLAB_API_URL` or `CI_API_V4_URL` (a job has it) or
 *  https://gitlab.com/api/v4. */
export function projectVariable(rest: string, name: string, env: Environment, pause?: Pause): Sink {
  return variableOf('project', rest, name, env, pause);
}

/** `gitlab-group:GROUP/NAME`: as {@link projectVariable}, of a group, by its full path or number. */
export function groupVariable(rest: string, name: string, env: Environment, pause?: Pause): Sink {
  return variableOf('group', rest, name, env, pause);
}

function variableOf(
  kind: 'project' | 'group',
  rest: string,
  name: string,
  env: Environment,
  pause: Pause = pauseByClock,
): Sink {
  const form = `variable of a ${kind} of GitLab: ${kind.toUpperCase()}/NAME, or ${kind.toUpperCase()}/NAME?environment=SCOPE`;
  const { owner, variable: key, environment: scope } = placeOf(gitLabPlace(rest), name, form);
  const path = `/${kind}s/${encodeURIComponent(owner)}/variables`;
  const query = scope === undefined ? undefined : { 'filter[environment_scope]': scope };
  const forge: Forge = {
    name: 'GitLab',
    url: sinkAddress(env['GITLAB_API_URL'] || env['CI_API_V4_URL'] || GITLAB, 'GITLAB_API_URL or CI_API_V4_URL'),
    headers: {
      'private-token': credentialOf(env['GITLAB_TOKEN'], 'GITLAB_TOKEN'),
      'user-agent': `countersign/${VERSION}`,
    },
    reasons: REASONS,
    pause,
  };
  const described = (body: unknown) => {
    const answer = variableAnswer.safeParse(body);
    if (
      answer.success &&
      answer.data.key === key &&
      (scope ?? answer.data.environment_scope) === answer.data.environment_scope
    ) {
      return answer.data;
    }
    throw strange(forge, 'it describes another variable');
  };
  const shown = ({ value, hidden }: z.infer<typeof variableAnswer>): Seen => {
    if (typeof value === 'string') return value;
    if (hidden) return HIDDEN;
    throw strange(forge, 'it does not show the value');
  };
  return {
    name,
    describe: () =>
      `the variable ${key}${scope === undefined ? '' : ` for ${scope}`} of the ${kind} ${owner} on GitLab`,
    write: async (secret, signal) => {
      // What is left out stays as it is: masked, protected, for which environments.
      const put = { method: 'PUT', path: `${path}/${key}`, query, json: { value: secret }, alsoTaken: [404] } as const;
      const changed = await askForge(forge, put, signal);
      if (changed.status !== 404) {
        described(changed.body);
        return;
      }
      const environments = scope === undefined ? {} : { environment_scope: scope };
      const json = { key, value: secret, masked: true, protected: true, ...environments };
      described((await askForge(forge, { method: 'POST', path, json }, signal)).body);
    },
    read: async (signal) => {
      const call = { method: 'GET', path: `${path}/${key}`, query, alsoTaken: [404] } as const;
      const answer = await askForge(forge, call, signal);
      if (answer.status === 404) return undefined;
      return shown(described(answer.body));
    },
  };
}
