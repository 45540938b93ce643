/** What the scripts of the pages have in common: binary as base64url, calls of this service, and what to say when the browser
 *  or the service says no. An element with the id `say` shows it; `data-origin` is where passkeys work. */
const COMMON = `
const element = (id) => document.getElementById(id);
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\\+/g, '-').replace(/\\//g, '_').replace(/=+$/, '');
const bytes = (encoded) => Uint8Array.from(atob(encoded.replace(/-/g, '+').replace(/_/g, '/')), (one) => one.charCodeAt(0));
const say = (words) => { element('say').textContent = words; };
async function call(path, body) {
  const headers = { 'content-type': 'application/json', accept: 'application/json' };
  const answer = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body), credentials: 'same-origin' });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(said.detail || 'The service answered with status ' + answer.status + '.');
  return said;
}
function why(error) {
  if (error.name === 'NotAllowedError') return 'Nothing was done: it was cancelled, or it took too long. Try again.';
  if (error.name === 'InvalidStateError') return 'This device holds a passkey of yours already.';
  if (error.name === 'SecurityError') return 'Passkeys work at ' + document.body.querySelector('main').dataset.origin + ' alone: open this page there.';
  return error.message;
}
function on(id, act) {
  const button = element(id);
  button.hidden = false;
  button.addEventListener('click', async () => {
    button.disabled = true;
    say('Waiting for your passkey …');
    try { await act(); } catch (error) { say(why(error)); }
    button.disabled = false;
  });
}
async function prove(options) {
  const publicKey = { ...options, challenge: bytes(options.challenge) };
  if (options.allowCredentials) publicKey.allowCredentials = options.allowCredentials.map((one) => ({ ...one, id: bytes(one.id) }));
  const { id, response } = await navigator.credentials.get({ publicKey });
  return {
    id,
    clientDataJSON: text(response.clientDataJSON),
    authenticatorData: text(response.authenticatorData),
    signature: text(response.signature),
    userHandle: response.userHandle && response.userHandle.byteLength > 0 ? text(response.userHandle) : null,
  };
}
if (!window.PublicKeyCredential) say('This browser knows no passkeys, or not at this address.');
`;

/** The page to which the link of `countersign passkey add` leads. The link's secret leaves the address at once. */
export const ADD_SCRIPT = `${COMMON}
const link = location.hash.slice(1);
history.replaceState(null, '', location.pathname);
async function add(asked) {
  const { options } = asked;
  const publicKey = {
    ...options,
    challenge: bytes(options.challenge),
    user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: options.excludeCredentials.map((one) => ({ ...one, id: bytes(one.id) })),
  };
  const { id, response } = await navigator.credentials.create({ publicKey });
  const credential = {
    id,
    clientDataJSON: text(response.clientDataJSON),
    attestationObject: text(response.attestationObject),
    transports: response.getTransports ? response.getTransports() : [],
  };
  const { name } = await call('/console/passkeys/add', { link, credential });
  say('Done: the passkey “' + name + '” is on record. You can close this page.');
  element('add').remove();
}
async function begin() {
  if (link === '') return say('The end of the address is missing: open the whole link again.');
  const asked = await call('/console/passkeys/add/options', { link });
  element('who').textContent = asked.email;
  element('where').textContent = asked.workspace;
  element('what').textContent = asked.name;
  element('asked').hidden = false;
  // Asked for anew at the click: the challenge waits for five minutes, the person maybe longer.
  on('add', async () => add(await call('/console/passkeys/add/options', { link })));
}
begin().catch((error) => say(why(error)));
`;

/** The sign-in page. */
export const SIGN_IN_SCRIPT = `${COMMON}
on('passkey', async () => {
  const credential = await prove(await call('/console/sign-in/passkey/options', {}));
  const return_to = element('passkey').dataset.returnTo;
  const { location: path } = await call('/console/sign-in/passkey', { credential, return_to });
  say('Signed in.');
  location.assign(path);
});
`;

/** The page where a dangerous act is confirmed. */
export const STEP_UP_SCRIPT = `${COMMON}
on('confirm', async () => {
  const { path, formToken: form_token } = element('confirm').dataset;
  const credential = await prove(await call(path + '/options', { form_token }));
  await call(path, { form_token, credential });
  say('Confirmed. You can close this page; where it was asked for, it goes on by itself.');
  element('decide').remove();
});
`;
