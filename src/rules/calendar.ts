/** A calendar as programs subscribe to it (RFC 5545). */
export interface Calendar {
  readonly name: string;
  readonly description: string;
  /** Who made it: the product and its release. */
  readonly product: string;
  /** When it was made. */
  readonly at: Date;
  readonly events: readonly CalendarEvent[];
}

/** An instant that a calendar shows. `uid` stays the same for the same thing, whenever it is asked for. `alarmDays` are
 *  how many days before it a person is told. */
export interface CalendarEvent {
  readonly uid: string;
  readonly at: Date;
  readonly createdAt: Date;
  readonly summary: string;
  readonly description: string;
  readonly url: string;
  readonly alarmDays: readonly number[];
}

/** How often a program asks again. */
const REFRESH = 'PT6H';

/** Prints a calendar: lines that end in CRLF, folded at 75 octets. RFC 5545; `NAME` and `REFRESH-INTERVAL` are of RFC 7986,
 *  the `X-` properties are what programs of before it read. */
export function printCalendar(calendar: Calendar): string {
  const lines = [
    'BEGIN:VCALENDAR',
    'VERSION:2.0',
    `PRODID:${text(`-//Countersign//${calendar.product}//EN`)}`,
    'CALSCALE:GREGORIAN',
    'METHOD:PUBLISH',
    `NAME:${text(calendar.name)}`,
    `X-WR-CALNAME:${text(calendar.name)}`,
    `DESCRIPTION:${text(calendar.description)}`,
    `X-WR-CALDESC:${text(calendar.description)}`,
    `REFRESH-INTERVAL;VALUE=DURATION:${REFRESH}`,
    `X-PUBLISHED-TTL:${REFRESH}`,
    ...(calendar.events.length === 0 ? NO_EVENTS : calendar.events.flatMap((event) => eventLines(event, calendar.at))),
    'END:VCALENDAR',
  ];
  return lines.map((line) => `${folded(line)}\r\n`).join('');
}

/** A calendar has to have a component (section 3.4), and this one says nothing. */
const NO_EVENTS = [
  'BEGIN:VTIMEZONE',
  'TZID:UTC',
  'BEGIN:STANDARD',
  'DTSTART:19700101T000000',
  'TZOFFSETFROM:+0000',
  'TZOFFSETTO:+0000',
  'END:STANDARD',
  'END:VTIMEZONE',
];

/** An event that takes no time and makes nobody busy. What is told of the same thing later has the later `DTSTAMP`, by which
 *  programs know it (RFC 5546 section 2.1.5). */
function eventLines(event: CalendarEvent, madeAt: Date): string[] {
  return [
    'BEGIN:VEVENT',
    `UID:${text(event.uid)}`,
    `DTSTAMP:${instant(madeAt)}`,
    `DTSTART:${instant(event.at)}`,
    `CREATED:${instant(event.createdAt)}`,
    'SEQUENCE:0',
    'TRANSP:TRANSPARENT',
    `SUMMARY:${text(event.summary)}`,
    `DESCRIPTION:${text(event.description)}`,
    `URL:${event.url}`,
    ...event.alarmDays.flatMap((days) => [
      'BEGIN:VALARM',
      'ACTION:DISPLAY',
      `TRIGGER:-P${days}D`,
      `DESCRIPTION:${text(event.summary)}`,
      'END:VALARM',
    ]),
    'END:VEVENT',
  ];
}

/** An instant in UTC, to the second. Section 3.3.5, form 2. */
function instant(at: Date): string {
  return `${at.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`;
}

// What RFC 5545 breaks a line at, and what some programs do besides: `str.splitlines` of Python among them.
const LINE_BREAK = /\r\n|[\n\r\u000b\u000c\u001c-\u001e\u0085\u2028\u2029]/g;
const CONTROL = /[\u0000-\u0008\u000e-\u001f\u007f]/g;

/** A value of type TEXT: no character of it ends the line or the value. Section 3.3.11. */
function text(value: string): string {
  return value
    .toWellFormed()
    .replaceAll(LINE_BREAK, '\n')
    .replaceAll(CONTROL, '')
    .replaceAll(/[\\;,]/g, '\\$&')
    .replaceAll('\n', '\\n');
}

const MAX_OCTETS = 75;

/** Breaks a line before it is longer than 75 octets, never within a character. The space that a line goes on with counts.
 *  Section 3.1. */
function folded(line: string): string {
  // Of ASCII alone a character is an octet. Nearly all lines are, and a calendar has tens of thousands of them.
  if (Buffer.byteLength(line) !== line.length) return foldedByCharacter(line);
  let printed = line.slice(0, MAX_OCTETS);
  for (let at = MAX_OCTETS; at < line.length; at += MAX_OCTETS - 1) {
    printed += `\r\n ${line.slice(at, at + MAX_OCTETS - 1)}`;
  }
  return printed;
}

function foldedByCharacter(line: string): string {
  let printed = '';
  let octets = 0;
  for (const character of line) {
    const length = Buffer.byteLength(character);
    if (octets + length > MAX_OCTETS) {
      printed += '\r\n ';
      octets = 1;
    }
    printed += character;
    octets += length;
  }
  return printed;
}
