import { parsePublicId } from '../../rules/format.js';
import { accept, refuse } from '../../rules/refusal.js';
import { isSessionAlive } from '../../rules/session.js';
import { endOtherSessions, endSession, findSessionById } from '../../store/session-ends.js';
import { listSessions } from '../../store/sessions.js';
import type { Route } from '../endpoint.js';
import { pageAnswer } from '../page.js';
import { properAddress } from '../pages-url.js';
import { seeOther, signInPath } from '../redirect.js';
import { elsewhere, isFromHere, NO_SESSION_COOKIE, readSignedForm, sessionOrigin, signedIn } from '../session.js';

const SHOWN_SESSIONS = 100;

/** Who is signed in, and in which sessions. */
export const consolePageRoute: Route = {
  operation: { method: 'get', path: '/console' },
  handle: async (deps, exchange) => {
    const proper = properAddress(deps.issuer, exchange);
    if (proper !== undefined) return seeOther(proper);
    const current = await signedIn(deps, exchange);
    if (current === undefined) return seeOther(signInPath('/console'));
    const { workspaceId, memberId, id } = current.session;
    const sessions = await listSessions(deps.db, workspaceId, memberId, { limit: SHOWN_SESSIONS });
    const live = sessions.filter((one) => isSessionAlive(one, exchange.now));
    const { consolePage } = await import('../console-page.js');
    return accept(pageAnswer(consolePage(current, live, deps.seals.formToken(id))));
  },
};

/** Ends the session of this browser. */
export const signOutRoute: Route = {
  operation: { method: 'post', path: '/console/sign-out' },
  handle: async (deps, exchange) => {
    // Asked before anything else: the form of another site brings no cookie, and an answer to it could take that away.
    if (!isFromHere(deps, exchange)) return elsewhere();
    const current = await signedIn(deps, exchange);
    if (current === undefined) return seeOther('/console/sign-in', [NO_SESSION_COOKIE]);
    const form = await readSignedForm(deps, exchange, current);
    if (!form.ok) return form;
    await endSession(deps.db, current.session, sessionOrigin(current, exchange), exchange.now);
    return seeOther('/console/sign-in', [NO_SESSION_COOKIE]);
  },
};

/** Ends another session of the person, or all others. */
export const endOwnSessionRoute: Route = {
  operation: { method: 'post', path: '/console/sessions/end' },
  handle: async (deps, exchange) => {
    const current = await signedIn(deps, exchange);
    if (current === undefined) return seeOther(signInPath('/console'));
    const form = await readSignedForm(deps, exchange, current);
    if (!form.ok) return form;
    const origin = sessionOrigin(current, exchange);
    const { session: asked = '' } = form.value;
    if (asked === 'others') {
      await endOtherSessions(deps.db, current.session, origin, exchange.now);
      return seeOther('/console');
    }
    const id = parsePublicId('ses', asked);
    const found = id && (await findSessionById(deps.db, current.session.workspaceId, id));
    if (found?.memberId !== current.session.memberId) return refuse({ kind: 'not_found' });
    await endSession(deps.db, found, origin, exchange.now);
    return seeOther('/console');
  },
};
