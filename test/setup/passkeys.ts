import { Authenticator, type Misbehaviour, type Options } from './authenticator.js';
import { PasskeyBrowser } from './passkey-browser.js';
import { type Answered, send } from './request.js';
import { ISSUER, type TestService } from './service.js';

/** The secret of a link to add a passkey. */
export async function askForLink(service: TestService, token: string, name?: string): Promise<string> {
  const json = name === undefined ? {} : { name };
  const answer = await send(service, 'POST', '/v1/passkeys/registrations', { token, json });
  if (answer.status !== 201) throw new Error(answer.text);
  return new URL(String(answer.body['url'])).hash.slice(1);
}

/** Adds a passkey by a link, as the page does. */
export async function addByLink(
  browser: PasskeyBrowser,
  link: string,
  authenticator: Authenticator,
  wrong: Parameters<Authenticator['create']>[1] = {},
): Promise<Answered> {
  const asked = await browser.call('/console/passkeys/add/options', { link });
  if (asked.status !== 200) return asked;
  const credential = authenticator.create(asked.body['options'] as Options, wrong);
  return browser.call('/console/passkeys/add', { link, credential });
}

/** Gives a person a passkey. The person has none yet, or `token` has stepped up. */
export async function givePasskey(
  service: TestService,
  token: string,
  { authenticator = new Authenticator(ISSUER), name }: { authenticator?: Authenticator; name?: string } = {},
): Promise<Authenticator> {
  const link = await askForLink(service, token, name);
  const added = await addByLink(new PasskeyBrowser(service, authenticator.origin), link, authenticator);
  if (added.status !== 200) throw new Error(added.text);
  return authenticator;
}

/** Signs in on the sign-in page. */
export async function signIn(
  browser: PasskeyBrowser,
  authenticator: Authenticator,
  wrong: Misbehaviour & { readonly returnTo?: string } = {},
): Promise<Answered> {
  const options = (await browser.call('/console/sign-in/passkey/options', {})).body as unknown as Options;
  const credential = authenticator.get(options, wrong);
  const returnTo = wrong.returnTo === undefined ? {} : { return_to: wrong.returnTo };
  return browser.call('/console/sign-in/passkey', { credential, ...returnTo });
}

/** A browser in which the holder of a passkey is signed in. */
export async function signedInBrowser(service: TestService, authenticator: Authenticator): Promise<PasskeyBrowser> {
  const browser = new PasskeyBrowser(service, authenticator.origin);
  const answer = await signIn(browser, authenticator);
  if (answer.status !== 200) throw new Error(answer.text);
  return browser;
}

/** Asks for a confirmation. Gives the path of its page. */
export async function askForStepUp(service: TestService, token: string, act = 'do it'): Promise<string> {
  const answer = await send(service, 'POST', '/v1/step-ups', { token, json: { act } });
  if (answer.status !== 201) throw new Error(answer.text);
  return new URL(String(answer.body['verification_uri'])).pathname;
}

/** The form token of a page. */
export async function formTokenOf(browser: PasskeyBrowser, path: string): Promise<string> {
  const { text } = await browser.get(path);
  return /name="form_token" value="([^"]+)"/.exec(text)?.[1] ?? '';
}

/** Confirms on the page of a step-up. */
export async function confirm(
  browser: PasskeyBrowser,
  path: string,
  authenticator: Authenticator,
  wrong: Misbehaviour & { readonly formToken?: string } = {},
): Promise<Answered> {
  const form_token = wrong.formToken ?? (await formTokenOf(browser, path));
  const options = await browser.call(`${path}/options`, { form_token });
  if (options.status !== 200) return options;
  const credential = authenticator.get(options.body as unknown as Options, wrong);
  return browser.call(path, { form_token, credential });
}

/** Lets a sign-in token do dangerous things for five minutes. */
export async function stepUp(service: TestService, token: string, authenticator: Authenticator): Promise<void> {
  const browser = await signedInBrowser(service, authenticator);
  const answer = await confirm(browser, await askForStepUp(service, token), authenticator);
  if (answer.status !== 200) throw new Error(answer.text);
}
