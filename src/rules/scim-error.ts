import { type Refusal, refuse, type ScimErrorType } from './refusal.js';

/** Refuses a SCIM request. `pointer` names the place in the message that something is wrong with. */
export function invalidScim(
  error: ScimErrorType,
  detail: string,
  pointer?: string,
): { readonly ok: false; readonly refusal: Refusal } {
  return refuse({ kind: 'scim', error, detail: pointer === undefined ? detail : `${pointer} ${detail}` });
}
