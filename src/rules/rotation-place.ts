import { isGlob, matchesGlob } from './glob.js';
import { findSecrets } from './secret-scan.js';
import {
  awsPlace,
  environmentPlace,
  gitLabPlace,
  googlePlace,
  kubernetesPlace,
  organisationPlace,
  repositoryPlace,
  splitSinkText,
  vaultPlace,
} from './sink-text.js';

const MAX_LENGTH = 512;
// Controls, marks that turn or hide text, half characters, other line ends.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
// What one reader undoes and another does not, and what credentials are put behind.
const AMBIGUOUS = /[%\\@&]/;

/** A kind of sink that a workflow may name. */
interface PlaceKind {
  readonly form: string;
  readonly read: (rest: string) => object | undefined;
  /** What parts the holder of several secrets from which one of them it is. */
  readonly mark?: '#' | '?environment=';
  /** How few and how many parts between slashes there are before the mark. */
  readonly parts: readonly [least: number, most: number];
  /** Its own server takes `A` and `a` for the same. */
  readonly isCaseless?: true;
}

const GITLAB = { read: gitLabPlace, mark: '?environment=', parts: [2, Infinity], isCaseless: true } as const;

const KINDS: Readonly<Record<string, PlaceKind>> = {
  vault: { form: 'vault:MOUNT/PATH#KEY', read: vaultPlace, mark: '#', parts: [2, Infinity] },
  kubernetes: { form: 'kubernetes:NAMESPACE/NAME#KEY', read: kubernetesPlace, mark: '#', parts: [2, 2] },
  // In one form alone: an ARN is another text for the same place, and may be one of another account.
  aws: { form: 'aws:NAME#KEY', read: awsNamePlace, mark: '#', parts: [1, Infinity] },
  google: { form: 'google:PROJECT/SECRET#KEY', read: googleShortPlace, mark: '#', parts: [2, 2] },
  github: { form: 'github:OWNER/REPO/NAME', read: repositoryPlace, parts: [3, 3], isCaseless: true },
  'github-env': {
    form: 'github-env:OWNER/REPO/ENVIRONMENT/NAME',
    read: environmentPlace,
    parts: [4, Infinity],
    isCaseless: true,
  },
  'github-org': { form: 'github-org:ORG/NAME', read: organisationPlace, parts: [2, 2], isCaseless: true },
  gitlab: { form: 'gitlab:PROJECT/NAME', ...GITLAB },
  'gitlab-group': { form: 'gitlab-group:GROUP/NAME', ...GITLAB },
};
const FORMS = Object.values(KINDS).map(({ form }) => form);

function awsNamePlace(rest: string) {
  const place = awsPlace(rest);
  return place?.region === undefined ? place : undefined;
}

function googleShortPlace(rest: string) {
  return rest.startsWith('projects/') ? undefined : googlePlace(rest);
}

/** Why a workflow may not name a place: whoever sets a workflow chooses no file and no command of the rotator's host, and puts
 *  no credential there; and the text must mean one place to all who read it. `undefined` when it may. */
export function placeFault(text: string): string | undefined {
  if (text.length > MAX_LENGTH) return `must be ${MAX_LENGTH} characters at the most`;
  if (UNSEEN.test(text)) return 'must not hold characters that do not show';
  const found = partsOf(text);
  if (found === undefined) {
    const isOfHost = /^(?:file|exec):/.test(text);
    return isOfHost
      ? 'must not be a file or a command of the host of the rotator: its own configuration may name those'
      : `must be one of ${FORMS.join(', ')}`;
  }
  const { kind, holder, which = '' } = found;
  if (AMBIGUOUS.test(text)) return 'must not hold % \\ @ or &';
  if (kind.read(found.rest) === undefined || /[#?]/.test(holder) || /[#?]/.test(which)) return `must be ${kind.form}`;
  const parts = [...holder.split('/'), ...which.split('/')].filter((part) => part === '.' || part === '..');
  if (parts.length > 0) return 'must not hold . or .. as a part of it';
  return findSecrets(text).length > 0 ? 'must name a place, and hold no secret' : undefined;
}

/** What two texts have in common that may mean the same place: it is quick to look up, and says less than
 *  {@link isSamePlace}. */
export function holderKey(text: string): string {
  const found = partsOf(text);
  return found === undefined ? text : cased(found, text.slice(0, text.length - found.rest.length) + found.holder);
}

/** Whether two texts may mean the same place, as far as they tell: a holder of several secrets, named without which of
 *  them, is the same as any of them. */
export function isSamePlace(one: string, other: string): boolean {
  if (holderKey(one) !== holderKey(other)) return false;
  const [left, right] = [partsOf(one), partsOf(other)];
  if (left?.which === undefined || right?.which === undefined) return true;
  return cased(left, left.which) === cased(right, right.which);
}

function cased({ kind }: Parts, text: string): string {
  return kind.isCaseless ? text.toLowerCase() : text;
}

/** Why a text is no pattern of places; `undefined` when it is. A pattern is the form of a place with globs in the parts between
 *  slashes: `*` stays within one, `**` is any number of them. The kind is named, never matched. */
export function placePatternFault(pattern: string): string | undefined {
  const found = partsOf(pattern);
  if (found === undefined) return `must begin with a kind of place: ${FORMS.join(', ')}`;
  const { kind, holder, which } = found;
  if (!isGlob(holder) || /[#?%]/.test(holder)) return `must be ${kind.form}, with * and **`;
  if (which !== undefined && (!isGlob(which) || /[#?%]/.test(which))) return `must be ${kind.form}, with * and **`;
  const segments = holder.split('/');
  const fixed = segments.filter((segment) => segment !== '**').length;
  const [least, most] = kind.parts;
  const isOutside = fixed > most || (fixed === segments.length && fixed < least);
  return isOutside ? `matches no ${kind.form}: * stays between two slashes, ** is any number of parts` : undefined;
}

/** Whether a pattern matches a place that may be named. Its kind is the pattern's. What the pattern says before the mark of its
 *  kind (`#`, `?environment=`) and behind it is matched apart, so that no wildcard reaches over it; behind it, what is not
 *  said is not asked. */
export function matchesPlace(pattern: string, text: string): boolean {
  const [wanted, found] = [partsOf(pattern), partsOf(text)];
  if (wanted === undefined || found === undefined || wanted.kind !== found.kind) return false;
  if (placePatternFault(pattern) !== undefined || placeFault(text) !== undefined) return false;
  if (!matchesGlob(wanted.holder, found.holder)) return false;
  return wanted.which === undefined || (found.which !== undefined && matchesGlob(wanted.which, found.which));
}

interface Parts {
  readonly kind: PlaceKind;
  readonly rest: string;
  readonly holder: string;
  readonly which: string | undefined;
}

function partsOf(text: string): Parts | undefined {
  const { kind: name = '', rest = '' } = splitSinkText(text) ?? {};
  const kind = Object.hasOwn(KINDS, name) ? KINDS[name] : undefined;
  if (kind === undefined) return undefined;
  const at = kind.mark === undefined ? -1 : rest.indexOf(kind.mark);
  if (kind.mark === undefined || at < 0) return { kind, rest, holder: rest, which: undefined };
  return { kind, rest, holder: rest.slice(0, at), which: rest.slice(at + kind.mark.length) };
}
