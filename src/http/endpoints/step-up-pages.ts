import type { z } from 'zod';
import { parsePublicId, printId } from '../../rules/format.js';
import { accept, type Result, refuse } from '../../rules/refusal.js';
import { listPasskeys } from '../../store/passkeys.js';
import type { SignedIn } from '../../store/sessions.js';
import { confirmStepUp, denyStepUp, findStepUp, isOpen, type StepUpRow } from '../../store/step-ups.js';
import { stepUpConfirmRequest, stepUpOptionsRequest } from '../../wire/webauthn.js';
import { NO_CHALLENGE_COOKIE, offerChallenge, type Purpose, takeChallenge } from '../challenge.js';
import type { Deps } from '../deps.js';
import type { Route } from '../endpoint.js';
import type { Exchange } from '../exchange.js';
import { pageAnswer } from '../page.js';
import { pageCallAnswer, readPageCall } from '../page-call.js';
import { properAddress } from '../pages-url.js';
import { limitOf, spent } from '../rate-limit.js';
import { seeOther, signInPath } from '../redirect.js';
import { readSignedForm, sessionOrigin, signedIn } from '../session.js';
import { relyingParty, verifyAssertion } from '../webauthn.js';
import { assertionOptions, userHandle } from '../webauthn-options.js';

const PATH = '/console/step-up/{id}';
const attempts = limitOf({ points: 30, duration: 60 });

interface Asked {
  readonly by: SignedIn;
  readonly row: StepUpRow;
  readonly tokenName: string | null;
}

/** Shows a person what a token of theirs asks. */
export const stepUpPageRoute: Route = {
  operation: { method: 'get', path: PATH },
  handle: async (deps, exchange) => {
    const proper = properAddress(deps.issuer, exchange);
    if (proper !== undefined) return seeOther(proper);
    const by = await signedIn(deps, exchange);
    if (by === undefined) return seeOther(signInPath(exchange.path));
    const asked = await askedOf(deps, exchange, by);
    const { notAskedPage, stepUpPage } = await import('../step-up-page.js');
    if (!asked.ok) return accept(pageAnswer(notAskedPage(by, signInPath(exchange.path)), 404));
    const formToken = deps.seals.formToken(by.session.id);
    const { origin } = relyingParty(deps.issuer);
    const view = { ...asked.value, isOpen: isOpen(asked.value.row, exchange.now), origin, formToken };
    return accept(pageAnswer(stepUpPage(view)));
  },
};

/** What the authenticator is to prove: something that is of this step-up alone. */
export const stepUpOptionsRoute: Route = {
  operation: { method: 'post', path: `${PATH}/options` },
  handle: async (deps, exchange) => {
    const read = await readAsked(deps, exchange, stepUpOptionsRequest);
    if (!read.ok) return read;
    const { row, by } = read.value;
    const known = await listPasskeys(deps.db, row.workspaceId, by.member.id);
    const { challenge, cookie } = await offerChallenge(deps, exchange, purposeOf(row));
    return pageCallAnswer(assertionOptions(relyingParty(deps.issuer), challenge, known), [cookie]);
  },
};

/** Confirms it, with the proof of a passkey of the same person that was made for it. */
export const stepUpConfirmRoute: Route = {
  operation: { method: 'post', path: PATH },
  handle: async (deps, exchange) => {
    const read = await readAsked(deps, exchange, stepUpConfirmRequest);
    if (!read.ok) return read;
    const { row, by, body } = read.value;
    const { credential } = body;
    const limited = await spent(attempts(deps), by.member.id);
    if (limited) return limited;
    const challenge = await takeChallenge(deps, exchange, purposeOf(row));
    const known = await listPasskeys(deps.db, row.workspaceId, by.member.id);
    const key = known.find(({ credentialId }) => credentialId === credential.id);
    const counter = challenge && (await verifyAssertion(relyingParty(deps.issuer), challenge, credential, key));
    // Who is asked by name need not say it again, but must not say another one.
    const isTheirs = credential.userHandle === null || credential.userHandle === userHandle(by.member.id);
    if (key === undefined || !isTheirs || typeof counter !== 'number') {
      return refuse({ kind: 'not_allowed', detail: 'this passkey does not confirm it' });
    }
    const proof = { workspaceId: key.workspaceId, id: key.id, counter };
    const confirmed = await confirmStepUp(deps.db, { row, proof }, sessionOrigin(by, exchange), exchange.now);
    return confirmed.ok ? pageCallAnswer({ status: 'confirmed' }, [NO_CHALLENGE_COOKIE]) : confirmed;
  },
};

export const stepUpDenyRoute: Route = {
  operation: { method: 'post', path: `${PATH}/deny` },
  handle: async (deps, exchange) => {
    const by = await signedIn(deps, exchange);
    if (by === undefined) return notSignedIn();
    const form = await readSignedForm(deps, exchange, by);
    if (!form.ok) return form;
    const asked = await askedOf(deps, exchange, by);
    if (!asked.ok) return asked;
    const denied = await denyStepUp(deps.db, asked.value.row, sessionOrigin(by, exchange), exchange.now);
    if (!denied.ok) return denied;
    const { deniedPage } = await import('../step-up-page.js');
    return accept(pageAnswer(deniedPage(asked.value.row)));
  },
};

/** Reads what the script of the page of a step-up sends, from the page of the person whom it is about. */
async function readAsked<T extends { readonly form_token: string }>(
  deps: Deps,
  exchange: Exchange,
  schema: z.ZodType<T>,
): Promise<Result<Asked & { readonly body: T }>> {
  const by = await signedIn(deps, exchange);
  if (by === undefined) return notSignedIn();
  const body = await readPageCall(deps, exchange, schema);
  if (!body.ok) return body;
  if (!deps.seals.isFormToken(by.session.id, body.value.form_token)) {
    return refuse({ kind: 'not_allowed', detail: 'this page is of another session; open it again' });
  }
  const asked = await askedOf(deps, exchange, by);
  return asked.ok ? accept({ ...asked.value, body: body.value }) : asked;
}

/** The step-up of a path, if it is the signed-in person's. That of anybody else is not there. */
async function askedOf(deps: Deps, exchange: Exchange, by: SignedIn): Promise<Result<Asked>> {
  const id = parsePublicId('stp', exchange.params['id'] ?? '');
  const found = id && (await findStepUp(deps.db, id));
  const isTheirs = found?.row.workspaceId === by.workspace.id && found.row.memberId === by.member.id;
  return found && isTheirs ? accept({ by, ...found }) : refuse({ kind: 'not_found' });
}

/** What a signature is for: this act of this token. */
function purposeOf({ id, tokenId, act }: StepUpRow): Purpose {
  return ['step-up', printId('stp', id), printId('tok', tokenId), act];
}

function notSignedIn() {
  return refuse({ kind: 'not_allowed', detail: 'nobody is signed in here any more; open the page again' });
}
