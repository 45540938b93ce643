import type { MailedIncident, MailedToken, MailPayload } from './mail.js';

/** The subject of a mail: labels, which are ASCII, and numbers. No name that somebody chose stands in a header. */
export function mailSubject(payload: MailPayload): string {
  return `[countersign ${payload.workspace}] ${subjectOf(payload)}`;
}

function subjectOf(payload: MailPayload): string {
  switch (payload.type) {
    case 'token.expiring': {
      const { tokens, daysLeft } = payload;
      return `${countOf(tokens)} ${tokens.length === 1 ? 'ends' : 'end'} within ${daysOf(daysLeft)}`;
    }
    case 'incident.opened': {
      const { incidents, more } = payload;
      const [only] = incidents;
      if (only === undefined || incidents.length + more > 1) return `${incidents.length + more} incidents`;
      const { kind, token } = only;
      return kind === 'leak' ? `a token of ${token.workflow} was leaked` : `a dead token of ${token.workflow} was used`;
    }
  }
}

/** The text of a mail: what, when, and what to do. `url` is where the service is. */
export function mailText(payload: MailPayload, url: string): string {
  return [...bodyOf(payload), '', '-- ', `Countersign of ${payload.workspace}, ${url}`, WHY[payload.to], ''].join('\n');
}

const WHY = {
  member: 'You are told as the owner of a token, or as one who looks after the workspace.',
  contact: 'You are told as a contact of a workflow: countersign workflow show LABEL',
} as const;

function bodyOf(payload: MailPayload): readonly string[] {
  switch (payload.type) {
    case 'token.expiring': {
      const { tokens, daysLeft } = payload;
      const what = tokens.length === 1 ? 'This token ends' : `These ${tokens.length} tokens end`;
      return [
        `${what} within ${daysOf(daysLeft)}, with no successor:`,
        '',
        ...tokens.flatMap((token) => [...tokenLines(token), `    ends ${timeOf(token.expiresAt)}`]),
        '',
        'After that, jobs that use it are refused. To make a successor, by hand or',
        'into where the secret lives:',
        '',
        `  countersign token rotate ${idOf(tokens)}`,
        `  countersign rotate ${idOf(tokens)} --into SINK`,
      ];
    }
    case 'incident.opened': {
      const { incidents, more } = payload;
      return [
        ...incidents.flatMap(incidentLines),
        ...(more === 0 ? [] : [`And ${more} more: countersign incident list`, '']),
        'Find out how the secret got there, and close the incident when that is',
        'settled. What still needs a token gets a new one:',
        '',
        '  countersign token mint --workflow LABEL --scope SCOPE',
      ];
    }
  }
}

/** What stands for a token in a command: its id, where there is only one. */
function idOf([first, ...others]: readonly MailedToken[]): string {
  return first === undefined || others.length > 0 ? 'TOKEN' : first.id;
}

function incidentLines({ id, kind, token, at, revoked }: MailedIncident): readonly string[] {
  const what = kind === 'leak' ? 'was found where it does not belong' : 'was used, though the token is dead';
  const ended = revoked === 0 ? 'Nothing was left to revoke.' : `${plural(revoked, 'token')} revoked.`;
  return [
    `The secret of this token ${what}, ${timeOf(at)}:`,
    '',
    ...tokenLines(token),
    '',
    `${ended} What is known of it, its jobs and its lineage:`,
    '',
    `  countersign incident show ${id}`,
    '',
  ];
}

function tokenLines({ id, name, workflow, owner }: Omit<MailedToken, 'expiresAt'>): readonly string[] {
  return [`  ${id}${name === null ? '' : `  "${shownName(name)}"`}`, `    workflow ${workflow}, owner ${owner}`];
}

// Controls and marks that reorder or hide what stands around them, and all that ends a line.
const UNSHOWN = /[\p{C}\p{Zl}\p{Zp}]/gu;
// What a mail program makes a link of: a dot before a letter, in all forms that a browser takes for one; `://`.
const LINKING = /[.\u3002\uff0e\uff61](?=\p{L})|:(?=\/)/gu;

/** A name that somebody chose, as a mail shows it: of one line, reordering nothing and linking nowhere. */
export function shownName(name: string): string {
  return name.toWellFormed().replace(UNSHOWN, '').replace(LINKING, '[$&]');
}

function countOf(tokens: readonly MailedToken[]): string {
  const [only] = tokens;
  return tokens.length === 1 && only ? `a token of ${only.workflow}` : `${tokens.length} tokens`;
}

function daysOf(days: number): string {
  return plural(days, 'day');
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function timeOf(iso: string): string {
  return `${iso.slice(0, 16).replace('T', ' ')} UTC`;
}
