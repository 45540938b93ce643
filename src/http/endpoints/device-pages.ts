import { DEVICE_TOKEN_SECONDS, deviceScopes } from '../../rules/device.js';
import { printId } from '../../rules/format.js';
import { addSeconds } from '../../rules/lifetime.js';
import { accept, type Result, refuse } from '../../rules/refusal.js';
import { parseUserCode, printUserCode } from '../../rules/user-code.js';
import { approveDevice, type DeviceDecider, denyDevice, UNKNOWN_CODE } from '../../store/device-approval.js';
import { type DeviceRow, deviceByUserCode } from '../../store/devices.js';
import type { SignedIn } from '../../store/sessions.js';
import { callerNetwork } from '../address.js';
import type { Form } from '../body.js';
import type { Deps } from '../deps.js';
import { type AskedDevice, askPage, decidedPage, devicePage } from '../device-page.js';
import type { Route } from '../endpoint.js';
import type { Answer, Exchange } from '../exchange.js';
import { pageAnswer } from '../page.js';
import { pagesUrl, properAddress } from '../pages-url.js';
import { exhausted, limitOf } from '../rate-limit.js';
import { seeOther, signInPath } from '../redirect.js';
import { readSignedForm, sessionOrigin, signedIn } from '../session.js';

const PATH = '/console/device';

// Wrong codes in a minute from one member: enough for clumsy fingers, too few to try the codes of others to their end.
const misses = limitOf({ points: 20, duration: 60 });

/** Asks somebody who is signed in for the code that a device shows. Nothing is approved by following an address. */
export const devicePageRoute: Route = {
  operation: { method: 'get', path: PATH },
  handle: async (deps, exchange) => {
    const proper = properAddress(deps.issuer, exchange);
    if (proper !== undefined) return seeOther(proper);
    const person = await signedIn(deps, exchange);
    if (person === undefined) return seeOther(signInPath(PATH));
    return accept(pageAnswer(devicePage(person, formOf(deps, person))));
  },
};

/** Shows what the device of a code asks for. */
export const askDeviceRoute: Route = {
  operation: { method: 'post', path: PATH },
  handle: asPerson(async (deps, exchange, person, form) => {
    const found = await named(deps, exchange, person, form);
    if (!found.ok) return found;
    if (found.value === undefined) return noSuchCode(deps, person);
    return asked(deps, exchange, person, { row: found.value, form });
  }),
};

/** Approves what was shown, or turns the device away. */
export const decideDeviceRoute: Route = {
  operation: { method: 'post', path: `${PATH}/decision` },
  handle: asPerson(async (deps, exchange, person, form) => {
    const found = await named(deps, exchange, person, form);
    if (!found.ok) return found;
    const row = found.value;
    if (row === undefined || printId('dvc', row.id) !== form['device']) return noSuchCode(deps, person);
    const by = deciderOf(person, exchange);
    switch (form['decision']) {
      case 'deny': {
        const denied = await denyDevice(deps.db, row, by);
        if (denied.ok) return accept(pageAnswer(decidedPage(person, formOf(deps, person), { name: row.clientName })));
        return denied.refusal.kind === 'invalid' ? noSuchCode(deps, person) : denied;
      }
      case 'approve':
        return approved(deps, exchange, person, { row, form, by });
      default:
        return refuse({ kind: 'malformed_body', detail: 'the form says neither yes nor no' });
    }
  }),
};

async function approved(
  deps: Deps,
  exchange: Exchange,
  person: SignedIn,
  { row, form, by }: { readonly row: DeviceRow; readonly form: Form; readonly by: DeviceDecider },
): Promise<Result<Answer>> {
  if (!isNear(row, exchange) && form['mine'] !== 'yes') {
    const fault = 'Say that you started it yourself, on that device; or turn it away.';
    return asked(deps, exchange, person, { row, form, fault });
  }
  const shown = (form['shown'] ?? '').split(' ');
  const outcome = await approveDevice(deps.db, deps.secrets, row, shown, by);
  if (!outcome.ok) {
    const { refusal } = outcome;
    if (refusal.kind !== 'invalid') return outcome;
    const isOther = refusal.errors.some(({ pointer }) => pointer === '#/shown');
    if (!isOther) return noSuchCode(deps, person);
    return asked(deps, exchange, person, { row, form, fault: 'What you would approve has changed. Look at it again.' });
  }
  deps.metrics.tokens('minted', 1);
  const token = { id: printId('tok', outcome.value.tokenId), until: outcome.value.expiresAt };
  return accept(pageAnswer(decidedPage(person, formOf(deps, person), { name: row.clientName, token })));
}

/** Runs what needs somebody who is signed in and sends a form of a page of theirs. */
function asPerson(
  act: (deps: Deps, exchange: Exchange, person: SignedIn, form: Form) => Promise<Result<Answer>>,
): Route['handle'] {
  return async (deps, exchange) => {
    const person = await signedIn(deps, exchange);
    if (person === undefined) return seeOther(signInPath(PATH));
    const form = await readSignedForm(deps, exchange, person);
    return form.ok ? act(deps, exchange, person, form.value) : form;
  };
}

/** The device of the code in a form; `undefined` when there is none. Refuses who has named too many wrong ones. */
async function named(
  deps: Deps,
  { now }: Exchange,
  { member }: SignedIn,
  form: Form,
): Promise<Result<DeviceRow | undefined>> {
  const limited = await exhausted(misses(deps), member.id);
  if (limited) return limited;
  const code = parseUserCode(form['user_code'] ?? '');
  const row = code && (await deviceByUserCode(deps.db, deps.secrets, code, now));
  if (row === undefined) await misses(deps).penalty(member.id);
  return accept(row);
}

/** The same words for every code that is not taken. */
function noSuchCode(deps: Deps, person: SignedIn): Result<Answer> {
  return accept(pageAnswer(devicePage(person, formOf(deps, person), `This ${UNKNOWN_CODE}.`), 422));
}

function asked(
  deps: Deps,
  exchange: Exchange,
  person: SignedIn,
  { row, form, fault }: { readonly row: DeviceRow; readonly form: Form; readonly fault?: string },
): Result<Answer> {
  const code = parseUserCode(form['user_code'] ?? '');
  const device: AskedDevice = {
    id: printId('dvc', row.id),
    userCode: code === undefined ? '' : printUserCode(code),
    name: row.clientName,
    ip: row.ip ?? undefined,
    askedAt: row.createdAt,
    ...deviceScopes(person.member.role, row.scopes),
    isNear: isNear(row, exchange),
  };
  const { now } = exchange;
  const until = addSeconds(now, DEVICE_TOKEN_SECONDS);
  const given = { ...formOf(deps, person), until, now, ...(fault === undefined ? {} : { fault }) };
  return accept(pageAnswer(askPage(person, device, given), fault === undefined ? 200 : 422));
}

function isNear({ ip }: DeviceRow, exchange: Exchange): boolean {
  return ip !== null && exchange.ip !== undefined && callerNetwork(ip) === callerNetwork(exchange.ip);
}

function deciderOf(person: SignedIn, exchange: Exchange): DeviceDecider {
  const { workspace, session } = person;
  return {
    workspaceId: workspace.id,
    sessionId: session.id,
    origin: sessionOrigin(person, exchange),
    now: exchange.now,
  };
}

function formOf(deps: Deps, { session }: SignedIn) {
  return { home: pagesUrl(deps.issuer) + PATH, formToken: deps.seals.formToken(session.id) };
}
