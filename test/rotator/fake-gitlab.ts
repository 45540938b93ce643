import { type Asked, type LoopbackForge, openForge, type Told } from './loopback-forge.js';

/** GitLab's API of the CI/CD variables of a project and of a group, as its reference describes it. */
export interface FakeGitLab extends LoopbackForge {
  /** The path of the one project that there is. */
  project: string;
  variables: StoredVariable[];
  /** The path of the one group that there is. */
  group: string;
  groupVariables: StoredVariable[];
}

export interface StoredVariable {
  readonly key: string;
  value: string;
  readonly masked: boolean;
  readonly hidden: boolean;
  readonly protected: boolean;
  readonly raw: boolean;
  readonly variable_type: 'env_var' | 'file';
  readonly environment_scope: string;
  readonly description: string | null;
}

/** The token that it takes. */
export const GITLAB_CREDENTIAL = 'glpat-of-the-rotator';

/** What a masked variable takes, unless it is raw. */
const MASKABLE = /^[a-zA-Z0-9_+=/@:.~-]{8,}$/;
const PATH = /^\/(projects|groups)\/([^/]+)\/variables(?:\/([^/]+))?$/;

/** A variable as GitLab makes it by default. */
export function variable(key: string, given: Partial<StoredVariable> = {}): StoredVariable {
  const flags = { masked: false, hidden: false, protected: false, raw: false };
  return {
    ...flags,
    key,
    value: 'the-old-one',
    variable_type: 'env_var',
    environment_scope: '*',
    description: null,
    ...given,
  };
}

/** Starts one. Close it in `afterAll`. */
export async function openFakeGitLab(): Promise<FakeGitLab> {
  const answer = (asked: Asked): Told => {
    const [path = '', query = ''] = asked.url.split('?');
    const isJson = asked.headers['content-type'] === 'application/json';
    if (isJson === (asked.method === 'GET'))
      return { status: 415, body: { error: 'The content type is not supported' } };
    if (asked.headers['private-token'] !== GITLAB_CREDENTIAL || asked.headers.authorization !== undefined) {
      return { status: 401, body: { message: '401 Unauthorized' } };
    }
    const [, kind, owner = '', name] = PATH.exec(path) ?? [];
    const isGroup = kind === 'groups';
    if (owner !== encodeURIComponent(isGroup ? forge.group : forge.project)) {
      return { status: 404, body: { message: `404 ${isGroup ? 'Group' : 'Project'} Not Found` } };
    }
    const variables = isGroup ? forge.groupVariables : forge.variables;
    const given: Partial<StoredVariable> = asked.method === 'GET' ? {} : JSON.parse(asked.body);
    if (asked.method === 'POST' && name === undefined) return create(variables, given);
    const scope = new URLSearchParams(query).get('filter[environment_scope]');
    const found = variables.filter(
      ({ key, environment_scope }) => key === name && (scope === null || environment_scope === scope),
    );
    const [first] = found;
    if (first === undefined) return { status: 404, body: { message: '404 Variable Not Found' } };
    if (found.length > 1) {
      return {
        status: 409,
        body: {
          message: "There are multiple variables with provided parameters. Please use 'filter[environment_scope]'",
        },
      };
    }
    if (asked.method === 'GET') return { status: 200, body: presented(first) };
    return asked.method === 'PUT'
      ? update(variables, first, given)
      : { status: 405, body: { error: '405 Not Allowed' } };
  };

  const create = (variables: StoredVariable[], given: Partial<StoredVariable>): Told => {
    const made = variable(given.key ?? '', given);
    if (!fits(made)) return { status: 400, body: { message: { value: [`${made.value} is invalid`] } } };
    variables.push(made);
    return { status: 201, body: presented(made) };
  };

  const update = (variables: StoredVariable[], found: StoredVariable, given: Partial<StoredVariable>): Told => {
    if (found.hidden && ('masked' in given || 'hidden' in given)) {
      const why = 'The visibility setting cannot be changed for masked and hidden variables.';
      return { status: 400, body: { message: { base: [why] } } };
    }
    const changed = { ...found, ...given };
    if (!fits(changed)) return { status: 400, body: { message: { value: [`${changed.value} is invalid`] } } };
    variables.splice(variables.indexOf(found), 1, changed);
    return { status: 200, body: presented(changed) };
  };

  const forge: FakeGitLab = Object.assign(await openForge((asked) => answer(asked)), {
    project: 'acme/team/api',
    variables: [],
    group: 'acme/team',
    groupVariables: [],
  });
  return forge;
}

function fits({ masked, raw, value }: StoredVariable): boolean {
  return !masked || (raw ? /^\S{8,}$/ : MASKABLE).test(value);
}

function presented(one: StoredVariable) {
  return { ...one, value: one.hidden ? null : one.value };
}
