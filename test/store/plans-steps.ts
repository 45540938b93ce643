import { z } from 'zod';
import { newId, parsePublicId, parseToken, printId } from '../../src/rules/format.js';
import type { Client } from '../../src/sdk/index.js';
import { claimDeliveries, settleDelivery } from '../../src/store/deliveries.js';
import { noteExpiries } from '../../src/store/expiry-notices.js';
import { keepHouse } from '../../src/store/housekeeping.js';
import { acquaintances } from '../../src/store/identities.js';
import { endLapsedOffers } from '../../src/store/lapsed-offers.js';
import { loseLeases } from '../../src/store/leases.js';
import { createLookup } from '../../src/store/lookup.js';
import { claimMails, settleMail } from '../../src/store/mails.js';
import { endProviderSessions } from '../../src/store/session-ends.js';
import { enterBySignIn } from '../../src/store/sign-ins.js';
import { createUnusedFreezer } from '../../src/store/unused.js';
import { createUseLog, remakeDigest, verifierOf } from '../../src/store/use.js';
import { secretRotatedAt } from '../../src/store/webhooks.js';
import { listWorkspaces, recoverMember, type SignIn } from '../../src/store/workspaces.js';
import type { MintedToken, NewToolDecision, RevocationRequest } from '../../src/wire/resources.js';
import { decide } from '../setup/device.js';
import { makeHostKey, seedRunner, sendAsHost } from '../setup/dpop.js';
import { makeIssuerKey, publicJwk, signJob } from '../setup/loopback-issuer.js';
import { askForStepUp, givePasskey, stepUp } from '../setup/passkeys.js';
import { send } from '../setup/request.js';
import type { TestService } from '../setup/service.js';
import { startTestSession } from '../setup/session.js';
import { checkedTokenAt, memberAt } from './plans-data.js';

/** Who acts: the owner of the workspace with many rows, a plain member of it, and the owner of a workspace beside it. */
export interface Scene {
  readonly service: TestService;
  readonly large: SignIn;
  readonly member: SignIn;
  readonly small: SignIn;
}

/** Something that the service does, by what the log is told that it is. */
export type Step = readonly [name: string, act: (scene: Scene) => Promise<unknown>];

export const GITLAB_TOKEN = 'what-gitlab-shows-with-what-it-found';
const LEAKED = { reason: 'leaked' } as const;
const POLICY = { allowed_scopes: ['repo:*'] };
const MINT = { workflow: 'job-1', scopes: ['repo:read'], expires_in_days: 30 };
const HALF_A_YEAR_AGO = new Date(Date.now() - 182 * 86_400_000).toISOString();
// postgres.js prepares a statement, and PostgreSQL weighs one plan for all its values from the sixth time on.
const AGAIN_AND_AGAIN = Array.from({ length: 7 });

/** Everything but the lists and the panic button. Each may be done again. */
export const STEPS: readonly Step[] = [
  ['mint with an idempotency key, twice', mintTwice],
  ['mint many with an idempotency key, twice', mintManyTwice],
  ['show, explain and transfer a token', showAndTransfer],
  ['rotate a token and use both', rotateAndUse],
  ['tell what has used a token', tellUsage],
  ['give the ends of tokens as a calendar', giveCalendar],
  ['introspect many at once', introspectMany],
  ['make a digest anew and write down a use', remakeAndUse],
  ['make, change, pause and resume a workflow, set and try its tool rules', changeWorkflow],
  ['check, watch and finish a job', runJob],
  ['check under a limit of runs', checkUnderLimit],
  ['let a maker go, take over and unfreeze', leaveAndTakeOver],
  ['end what nobody took over', ({ service }) => endLapsedOffers(service.db.db, new Date())],
  ['mark what was lost', ({ service }) => loseLeases(service.db.db, new Date())],
  ['bring a person in and let it go', bringIn],
  ['provision people as an identity provider does', provision],
  ['make a runner, ask as one, turn one away, and let one go', trustRunners],
  ['add a passkey, sign in and confirm with it, and remove it', usePasskeys],
  ['sign a device in', signDeviceIn],
  ['trust the jobs of a platform, change the rule and remove it', trustJobs],
  ['sign people in by a provider, see and end sessions', signInByProvider],
  ['report leaks, look at their incidents and close one', reportLeaks],
  ['use dead secrets, one of a lineage that ends with it', useDeadSecrets],
  ['sign the head of the trail', (scene) => owner(scene).auditCheckpoint()],
  ['recover a member on the host', recover],
  ['add a webhook, tell it of something and remove it', beTold],
  ['send mails, see them and send one again', beMailed],
  [
    'note what comes to its end',
    ({ service }) => noteExpiries(service.db.db, new Date(), new Date(Date.now() - 60_000)),
  ],
  ['keep house', ({ service }) => keepHouse(service.db.sql, new Date())],
  ['tell of the service', tellOfItself],
];

/** The panic button, each way, and the policy, which is held against every token; and how many rows each may read: what it
 *  takes, it has to touch. */
export const PANICS: readonly (readonly [...Step, mayRead: number])[] = [
  ['try a policy, set it, mint under it and take it away', setPolicy, 2_200],
  ['all of a lineage', async (scene) => revoke(owner(scene), { lineage_id: (await mint(scene)).id }), 10],
  ['all of a workflow', (scene) => revoke(owner(scene), { workflow: 'job-1000' }), 600],
  ['all of a creator', (scene) => revoke(owner(scene), { creator_id: memberAt(901) }), 2_200],
  ['all before a time', (scene) => revoke(ownerOfSmall(scene), { issued_before: HALF_A_YEAR_AGO }), 2_100],
  ['all of a workspace', (scene) => revoke(ownerOfSmall(scene), { workspace: true }), 2_100],
];

async function setPolicy(scene: Scene): Promise<void> {
  const { policy, tokens, workflows } = ownerOfSmall(scene);
  const bounds = { enforcement: 'block', longest_expiry_days: 30, max_tokens_per_workflow: 1_000_000 } as const;
  await policy.dryRun(bounds);
  await policy.put(bounds);
  await policy.show();
  await workflows.put('bounded', { allowed_scopes: ['repo:*'] });
  const minted = await tokens.mint({ ...MINT, workflow: 'bounded' });
  await tokens.mintMany([{ ...MINT, workflow: 'bounded' }]);
  await tokens.rotate(minted.id, {});
  await tokens.list({ status: 'suspended' });
  await policy.put({ freeze_unused_after_days: 300 });
  await scene.service.client(scene.small.printed).reports.tokens({ kind: 'unused' });
  const freezer = createUnusedFreezer(() => scene.service.db.db);
  await freezer.pass(new Date());
  await freezer.pass(new Date());
  await policy.remove();
}

async function mintTwice(scene: Scene): Promise<void> {
  const key = newId('evt', new Date());
  await owner(scene).tokens.mint(MINT, key);
  await owner(scene).tokens.mint(MINT, key);
}

async function mintManyTwice(scene: Scene): Promise<void> {
  const key = newId('evt', new Date());
  const batch = Array.from({ length: 10 }, (_, at) => ({ ...MINT, workflow: `job-${at + 1}` }));
  await owner(scene).tokens.mintMany(batch, key);
  await owner(scene).tokens.mintMany(batch, key);
}

async function showAndTransfer(scene: Scene): Promise<void> {
  const { id } = await mint(scene);
  await owner(scene).tokens.show(id);
  await owner(scene).tokens.show('self');
  await owner(scene).tokens.explain(id);
  await owner(scene).tokens.transfer(id, { owner_id: memberAt(801) });
}

/** Loses the answer of the first rotation, and ends with a secret that is used after its overlap. */
async function rotateAndUse(scene: Scene): Promise<void> {
  const first = await mint(scene);
  await owner(scene).introspect(first.token);
  await owner(scene).tokens.rotate(first.id, { drain_seconds: 0 });
  const next = await owner(scene).tokens.rotate(first.id);
  await owner(scene).introspect(next.token);
  scene.service.clock.advance(1);
  await owner(scene).introspect(first.token);
  await owner(scene).tokens.revoke(next.id, LEAKED);
}

/** Of a token with a tenth of all checks, of one with few, and of a lineage of many tokens. */
async function tellUsage(scene: Scene): Promise<void> {
  const { tokens } = owner(scene);
  for (const days of [1, 30, 90]) await tokens.usage(checkedTokenAt(1), { days });
  for (const _ of AGAIN_AND_AGAIN) await tokens.usage(checkedTokenAt(7), { days: 90 });
  let { id } = await mint(scene);
  for (const _ of AGAIN_AND_AGAIN) ({ id } = await tokens.rotate(id, { overlap_seconds: 0 }));
  await tokens.usage(id, { days: 90, lineage: true });
}

async function giveCalendar({ service, large, member }: Scene): Promise<void> {
  for (const { printed } of [large, member]) {
    for (const _ of AGAIN_AND_AGAIN) await service.client(printed).tokens.expiryCalendar();
  }
}

async function introspectMany(scene: Scene): Promise<void> {
  const minted = await Promise.all(Array.from({ length: 12 }, () => mint(scene)));
  for (const count of [1, 3, 12]) {
    const some = minted.slice(0, count);
    for (const _ of AGAIN_AND_AGAIN) await Promise.all(some.map(({ token }) => owner(scene).introspect(token)));
  }
}

async function remakeAndUse(scene: Scene): Promise<void> {
  const { token } = await mint(scene);
  const { db } = scene.service.db;
  const lookup = createLookup(scene.service.database.options, () => undefined);
  const id = parseToken(token)?.id;
  const stored = id && (await lookup.find(id));
  await lookup.close();
  if (!stored) throw new Error('a token went away');
  await verifierOf(db, stored);
  await remakeDigest(db, stored, { digest: Buffer.alloc(32), pepperKid: 'other' });
  const uses = createUseLog(() => db);
  const run = await scene.service.client(token).execChecks.check({ workflow: MINT.workflow });
  const checkId = parsePublicId('chk', run.check_id);
  uses.note(stored, { at: new Date(), ip: undefined, by: undefined, checkId });
  await uses.flush();
  await owner(scene).tokens.show(printId('tok', stored.facts.id));
}

async function changeWorkflow(scene: Scene): Promise<void> {
  const { workflows } = owner(scene);
  const label = newId('evt', new Date());
  await workflows.put(label, POLICY);
  await workflows.put(label, { ...POLICY, max_run_seconds: 60 });
  await workflows.show(label);
  await workflows.pause(label);
  await workflows.resume(label);
  await workflows.putToolRules(label, { default: 'deny', rules: [{ verdict: 'allow', tool: 'Read' }] });
  await workflows.toolRules(label);
  await workflows.dryRunToolRules(label, { tool: 'Read', input: {} });
}

/** One goes and comes back, whose token is thawed; another is removed, whose token the owner takes over. */
async function leaveAndTakeOver(scene: Scene): Promise<void> {
  const { members, tokens, workflows, me } = owner(scene);
  const label = newId('evt', new Date());
  const leaver = { rule: 'transfer', successor_id: (await me()).id, window_days: 1 } as const;
  await workflows.put(label, { ...POLICY, leaver });
  for (const end of ['suspend', 'remove'] as const) {
    const email = `${newId('evt', new Date())}@acme.example`;
    const { id, invitation } = await members.invite({ email, role: 'member' });
    const { token } = await scene.service.client(null).members.accept(invitation);
    const minted = await scene.service.client(token).tokens.mint({ ...MINT, workflow: label });
    await members[end](id);
    if (end === 'remove') {
      await tokens.takeOver(minted.id);
    } else {
      await members.reactivate(id);
      await tokens.unfreeze(minted.id);
    }
  }
}

async function runJob(scene: Scene): Promise<void> {
  const { token } = await mint(scene);
  const { workflow } = MINT;
  const { execChecks } = scene.service.client(token);
  for (const _ of AGAIN_AND_AGAIN) await execChecks.check({ workflow });
  await owner(scene).execChecks.check({ workflow, token });
  const { check_id, run_id } = await execChecks.check({ workflow });
  await execChecks.show(check_id);
  const { runs } = scene.service.client(token);
  await runs.show(run_id ?? '');
  await runs.renew(run_id ?? '');
  const stopped = await execChecks.check({ workflow });
  await owner(scene).runs.stop(stopped.run_id ?? '');
  for (const _ of AGAIN_AND_AGAIN) await runs.recordToolDecisions(run_id ?? '', [toolDecision(), toolDecision()]);
  const watched = execChecks.watch(check_id);
  await watched.next();
  await execChecks.finish(check_id, { exit_code: 0 });
  await scene.service.client(null).revoke(token);
  for await (const event of watched) if (event.type === 'revoked') return;
}

function toolDecision(): NewToolDecision {
  const at = new Date();
  const id = printId('dec', newId('dec', at));
  return { id, at: at.toISOString(), event: 'PreToolUse', tool: 'Bash', decision: 'allow', code: 'tool_rule' };
}

async function checkUnderLimit(scene: Scene): Promise<void> {
  const workflow = newId('evt', new Date());
  await owner(scene).workflows.put(workflow, { ...POLICY, max_concurrent_runs: 3, max_concurrent_runs_per_token: 2 });
  const { token } = await owner(scene).tokens.mint({ ...MINT, workflow });
  const { execChecks } = scene.service.client(token);
  for (const _ of AGAIN_AND_AGAIN) await execChecks.check({ workflow });
}

async function bringIn(scene: Scene): Promise<void> {
  const { members } = owner(scene);
  const email = `${newId('evt', new Date())}@acme.example`;
  const { id, invitation } = await members.invite({ email, role: 'owner' });
  const { token } = await scene.service.client(null).members.accept(invitation);
  await scene.service.client(token).me();
  await members.show(id);
  await members.patch(id, { name: 'Ada' });
  await members.suspend(id);
  await members.reactivate(id);
  await members.patch(id, { role: 'admin' });
  await members.remove(id);
}

async function usePasskeys(scene: Scene): Promise<void> {
  const { service } = scene;
  const email = `${newId('evt', new Date())}@acme.example`;
  const { invitation } = await owner(scene).members.invite({ email, role: 'member' });
  const { token } = await service.client(null).members.accept(invitation);
  const authenticator = await givePasskey(service, token);
  for (const _ of AGAIN_AND_AGAIN) await stepUp(service, token, authenticator);
  const path = await askForStepUp(service, token);
  await send(service, 'GET', path.replace('/console/step-up/', '/v1/step-ups/'), { token });
  const { body } = await send(service, 'GET', '/v1/passkeys', { token });
  const [passkey] = z.object({ data: z.array(z.object({ id: z.string() })) }).parse(body).data;
  await send(service, 'DELETE', `/v1/passkeys/${passkey?.id}`, { token });
}

async function provision({ service, large }: Scene): Promise<void> {
  const schemas = ['urn:ietf:params:scim:schemas:core:2.0:User'];
  const ask = async (method: string, path: string, json?: unknown) => {
    const sending = { token: large.printed, ...(json === undefined ? {} : { json }) };
    const answer = await send(service, method, `/scim/v2${path}`, sending);
    if (answer.status > 204) throw new Error(`${method} ${path} was answered with ${answer.status}: ${answer.text}`);
    return answer;
  };
  const patch = (value: unknown) => ({
    schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
    Operations: [{ op: 'replace', value }],
  });
  for (const _ of AGAIN_AND_AGAIN) {
    const name = newId('evt', new Date());
    const userName = `${name}@acme.example`;
    const made = await ask('POST', '/Users', { schemas, userName, externalId: name });
    const path = `/Users/${made.body['id']}`;
    for (const filter of [`userName eq "${userName}"`, `externalId eq "${name}"`, `id eq "${made.body['id']}"`]) {
      await ask('GET', `/Users?filter=${encodeURIComponent(filter)}`);
      await ask('POST', '/Users/.search', { filter: `${filter} or ${filter}` });
    }
    await ask('GET', path);
    await ask('PATCH', path, patch({ active: false }));
    await ask('PATCH', path, patch({ active: true }));
    await ask('PUT', path, { schemas, userName, displayName: 'Ada', active: false });
    await ask('DELETE', path);
  }
  const described = [
    'ServiceProviderConfig',
    'ResourceTypes',
    'ResourceTypes/User',
    'Schemas',
    `Schemas/${schemas[0]}`,
  ];
  for (const path of ['Groups', ...described]) await ask('GET', `/${path}`);
}

async function trustJobs(scene: Scene): Promise<void> {
  const { service, large } = scene;
  const { trustRules } = owner(scene);
  const name = newId('evt', new Date());
  const key = await makeIssuerKey('EdDSA');
  const issuer = 'https://kubernetes.default.svc';
  const claims = { sub: 'system:serviceaccount:ci:agent' };
  const jwks = { keys: [publicJwk(key)] };
  const preset = 'kubernetes' as const;
  const rule = { preset, issuer, claims, jwks, workflow: 'job-1', scopes: ['repo:read'] };
  const { audience } = await trustRules.put(name, rule);
  await trustRules.show(name);
  await trustRules.list();
  await trustRules.dryRun(name, { claims });
  for (const _ of AGAIN_AND_AGAIN) {
    const iat = Math.floor(service.clock.now().getTime() / 1000);
    const job = { iss: issuer, aud: audience, ...claims, iat, exp: iat + 300, jti: newId('evt', new Date()) };
    const subjectToken = await signJob(key, job);
    const { oauth } = service.client(null);
    await oauth.exchange({ subjectToken, audience: `${large.workspace.slug}/${name}` });
    await oauth.exchange({ subjectToken: await signJob(key, { ...job, jti: newId('evt', new Date()) }) });
  }
  await trustRules.put(name, { ...rule, expires_in_seconds: 60 });
  await trustRules.remove(name);
}

async function beTold(scene: Scene): Promise<void> {
  const { service } = scene;
  const { webhooks, workflows } = owner(scene);
  const { id } = await webhooks.add({ url: 'https://10.255.255.1.example/in', events: ['workflow.paused'] });
  await webhooks.list();
  await webhooks.show(id);
  await webhooks.change(id, { description: 'alarms' });
  await webhooks.rotateSecret(id);
  const { delivery_id } = await webhooks.test(id);
  await workflows.pause('job-2');
  await workflows.resume('job-2');
  for (const claimed of await claimDeliveries(service.db.db, { limit: 4, busy: [] }, new Date())) {
    await settleDelivery(service.db.db, claimed, { kind: 'delivered' }, new Date());
    await secretRotatedAt(service.db.db, claimed.webhook);
  }
  await webhooks.deliveries(id, { status: 'delivered' });
  await webhooks.replay(id, delivery_id);
  await webhooks.remove(id);
}

async function beMailed(scene: Scene): Promise<void> {
  const { mails } = owner(scene);
  const { db } = scene.service.db;
  await reportLeaks(scene);
  await mails.list();
  // Incidents that come together wait for a minute.
  const claimed = await claimMails(db, { limit: 50, busy: [] }, new Date(Date.now() + 120_000));
  for (const { mail } of claimed) {
    await settleMail(db, mail, { kind: 'refused', fault: 'the mail server answered 550' });
  }
  await mails.list({ status: 'dead' });
  const ours = claimed.find(({ mail }) => mail.workspaceId === scene.large.workspace.id);
  if (ours !== undefined) await mails.replay(printId('dlv', ours.mail.id));
}

async function recover({ service, large }: Scene): Promise<void> {
  await listWorkspaces(service.db.db);
  await recoverMember(service.db.db, service.secrets, large.workspace, large.member.email, new Date());
}

async function trustRunners(scene: Scene): Promise<void> {
  const { service, large } = scene;
  const { enrolments, runners } = owner(scene);
  const { token } = await mint(scene);
  for (const _ of AGAIN_AND_AGAIN) {
    const runner = await seedRunner(service, { approver: large.printed });
    await runner.send('POST', '/v1/exec/checks', { json: { token, workflow: 'job-1' } });
    await runners.patch(runner.runner.id, { labels: ['linux'] });
    await runners.suspend(runner.runner.id);
    await runners.reactivate(runner.runner.id);
    await runner.send('POST', '/v1/tokens/self/rotate');
    await runners.list({ limit: 50 });
    await runners.show(runner.runner.id);
    await runners.remove(runner.runner.id);
  }
  const asking = { json: { name: 'turned-away' }, address: '198.51.100.251' };
  const { body } = await sendAsHost(service, await makeHostKey(), 'POST', '/v1/runner-enrolments', asking);
  await enrolments.lookup(String(body['user_code']));
  await enrolments.deny(String(body['user_code']));
}

async function reportLeaks(scene: Scene): Promise<void> {
  const { incidents, tokens } = owner(scene);
  const first = await mint(scene);
  const second = await tokens.rotate(first.id, {});
  const dead = await mint(scene);
  await tokens.revoke(dead.id, { reason: 'unused' });
  const found = [first, second, dead].map(({ token }) => token);
  await incidents.report({ tokens: found });
  await incidents.report({ tokens: found });
  const gitlab = { token: null, headers: { authorization: GITLAB_TOKEN } };
  await send(scene.service, 'GET', '/v1/leaks/gitlab/revocable_token_types', gitlab);
  const json = found.map((token) => ({ token }));
  await send(scene.service, 'POST', '/v1/leaks/gitlab/revoke_tokens', { ...gitlab, json });
  const { data } = await incidents.list({ status: 'open' });
  await incidents.list({ token: first.id });
  await scene.service.client(scene.member.printed).incidents.list();
  const id = data[0]?.id ?? '';
  await incidents.show(id);
  await incidents.close(id, { note: 'seen to' });
}

async function useDeadSecrets(scene: Scene): Promise<void> {
  const { tokens, workflows } = owner(scene);
  await workflows.put('strict', { ...POLICY, reuse_rule: 'revoke' });
  for (const _ of AGAIN_AND_AGAIN) {
    const first = await tokens.mint({ ...MINT, workflow: 'strict' });
    const running = await tokens.rotate(first.id, { overlap_seconds: 0 });
    await scene.service.client(running.token).execChecks.check({ workflow: 'strict' });
    await tokens.rotate(running.id, { overlap_seconds: 0 });
    await owner(scene).introspect(first.token);
    await scene.service
      .client(first.token, '203.0.113.9')
      .me()
      .catch(() => undefined);
  }
}

async function signInByProvider({ service, large }: Scene): Promise<void> {
  const [db, now, issuer] = [service.db.db, new Date(), 'https://login.example'];
  for (const subject of ['known', 'known', 'new']) {
    const address = `${subject}@sign-in.example`;
    const person = { issuer, subject, address, name: undefined, sid: undefined, provenAt: now, role: undefined };
    await acquaintances(db, person, address);
    const settings = { workspace: large.workspace.slug, roles: undefined };
    const entry = { person, slug: large.workspace.slug, settings, place: {}, now };
    if (!(await enterBySignIn(db, service.secrets, entry)).ok) throw new Error('not let in');
  }
  const session = await startTestSession(service, { owner: large });
  const { sessions } = service.client(large.printed);
  await sessions.list();
  await sessions.end(printId('ses', session.id));
  const logout = { issuer, jti: String(now.getTime() + Math.random()), subject: 'known', sid: undefined, at: now };
  await endProviderSessions(db, logout, now, { actorType: 'system', actorId: 'test' }, now);
}

async function signDeviceIn({ service, large }: Scene): Promise<void> {
  const session = await startTestSession(service, { owner: large });
  for (const _ of AGAIN_AND_AGAIN) {
    const { oauth } = service.client(null, '198.51.100.252');
    const { device_code, user_code } = await oauth.authorizeDevice({ clientName: 'laptop-7' });
    await decide(service, session, user_code);
    const { access_token } = await oauth.deviceToken(device_code);
    await service.client(access_token).me();
  }
}

async function tellOfItself({ service }: Scene): Promise<void> {
  const wellKnown = ['oauth-authorization-server', 'jwks.json'].map((name) => `/.well-known/${name}`);
  const paths = [
    '/healthz',
    '/readyz',
    '/openapi.json',
    '/docs',
    '/problems/conflict',
    '/runners/approve',
    '/metrics',
    ...wellKnown,
  ];
  for (const path of paths) await send(service, 'GET', path, { token: null });
}

/** Looks first what it would take. */
async function revoke(client: Client, selector: Omit<RevocationRequest, 'reason'>): Promise<void> {
  await client.tokens.revokeMany({ ...LEAKED, ...selector, dry_run: true });
  await client.tokens.revokeMany({ ...LEAKED, ...selector });
}

function mint(scene: Scene): Promise<MintedToken> {
  return owner(scene).tokens.mint(MINT);
}

function owner({ service, large }: Scene): Client {
  return service.client(large.printed);
}

function ownerOfSmall({ service, small }: Scene): Client {
  return service.client(small.printed);
}
