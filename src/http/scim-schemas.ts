import { ROLES } from '../rules/role.js';
import { MAX_SCIM_RESULTS } from '../wire/scim.js';
import { MAX_BODY_BYTES } from './body.js';

/** Something that the service says of itself. */
export interface ScimDescription {
  readonly id: string;
}

/** What of the schema of a person is kept, by attribute. */
const KEPT: ReadonlyMap<string, readonly string[]> = new Map([
  ['userName', []],
  ['name', ['formatted']],
  ['displayName', []],
  ['active', []],
  ['emails', ['value', 'type', 'primary']],
  ['roles', ['value', 'primary']],
]);

// The package is big, and a service without SCIM needs none of it.
const load = async () => (await import('scimmy')).default;

/** The schemas that there are: that of a person, cut to what is kept. RFC 7643 section 7. */
export async function scimSchemas(base: string): Promise<readonly ScimDescription[]> {
  const { Schemas } = await load();
  const described = Schemas.User.definition.describe(`${base}/Schemas`);
  // Its attributes are objects that say what they are only as JSON.
  const whole: typeof described = JSON.parse(JSON.stringify(described));
  const attributes = whole.attributes
    .filter(({ name }) => KEPT.has(name))
    .map((attribute) => ({ ...attribute, ...partsOf(attribute.name, attribute.subAttributes ?? []) }));
  const own = { ...whole, attributes };
  return [own];
}

function partsOf(name: string, parts: readonly { readonly name: string }[]) {
  const kept = KEPT.get(name) ?? [];
  if (kept.length === 0) return {};
  const subAttributes = parts
    .filter((part) => kept.includes(part.name))
    .map((part) => (name === 'roles' && part.name === 'value' ? { ...part, canonicalValues: ROLES } : part));
  return { subAttributes };
}

/** The kinds of things that there are. RFC 7643 section 6. */
export async function scimResourceTypes(base: string): Promise<readonly ScimDescription[]> {
  const { Resources, Schemas } = await load();
  return [new Schemas.ResourceType(Resources.User.describe(), `${base}/ResourceTypes`)];
}

/** What of SCIM there is. RFC 7643 section 5. */
export async function scimConfig(base: string, documentation: string): Promise<unknown> {
  const { Schemas } = await load();
  const config = {
    documentationUri: documentation,
    patch: { supported: true },
    bulk: { supported: false, maxOperations: 0, maxPayloadSize: MAX_BODY_BYTES },
    filter: { supported: true, maxResults: MAX_SCIM_RESULTS },
    changePassword: { supported: false },
    sort: { supported: true },
    etag: { supported: false },
    authenticationSchemes: [
      {
        type: 'oauthbearertoken',
        name: 'Bearer token',
        description: 'A token of this service with the scopes members:read and members:write (RFC 6750)',
        specUri: 'https://www.rfc-editor.org/info/rfc6750',
        primary: true,
      },
    ],
  };
  return new Schemas.ServiceProviderConfig(config, `${base}/ServiceProviderConfig`);
}
