import fc from 'fast-check';
import ICAL from 'ical.js';
import { describe, expect, test } from 'vitest';
import { type Calendar, type CalendarEvent, printCalendar } from '../../src/rules/calendar.js';

const AT = new Date('2026-03-02T09:00:00.789Z');

const event = (changes: Partial<CalendarEvent> = {}): CalendarEvent => ({
  uid: 'tok_01KfUXmCbVYz8sQ2dW3nRk@countersign.example',
  at: new Date('2026-12-31T23:59:59.999Z'),
  createdAt: AT,
  summary: 'Token of nightly ends',
  description: 'It ends.',
  url: 'https://countersign.example/v1/tokens/tok_01KfUXmCbVYz8sQ2dW3nRk',
  alarmDays: [7, 1],
  ...changes,
});

const calendar = (events: readonly CalendarEvent[]): Calendar => ({
  name: 'Countersign acme: tokens that end',
  description: 'When tokens end.',
  product: '0.1.0',
  at: AT,
  events,
});

/** The calendar as a reader of another make has it. */
function read(text: string) {
  const component = new ICAL.Component(ICAL.parse(text));
  return { component, events: component.getAllSubcomponents('vevent').map((one) => new ICAL.Event(one)) };
}

/** What a reader is given of a text: breaks of any kind are one, and what no calendar may hold is gone. */
function kept(text: string): string {
  return text
    .replaceAll(/\r\n|[\n\r\u000b\u000c\u001c-\u001e\u0085\u2028\u2029]/g, '\n')
    .replaceAll(/[\u0000-\u0008\u000e-\u001f\u007f]/g, '');
}

const HOSTILE = fc.constantFrom(
  'BEGIN:VEVENT',
  'END:VCALENDAR',
  '\r\n',
  '\n',
  '\r',
  '\u2028',
  '\u0085',
  '\u000b',
  '\u0000',
  '\\',
  '\\n',
  ';',
  ',',
  ':',
  '"',
  ' ',
  '\t',
  'é',
  '€',
  '\u{1f600}',
  '\u{10ffff}',
  'x'.repeat(60),
  'ATTACH:https://evil.example/',
);
const anyText = fc.oneof(
  fc.array(HOSTILE, { maxLength: 30 }).map((parts) => parts.join('')),
  fc.string({ unit: 'binary', maxLength: 300 }),
);

describe('a printed calendar', () => {
  test('is read by another program as it was meant', () => {
    const { component, events } = read(printCalendar(calendar([event(), event({ uid: 'other', alarmDays: [] })])));
    const header = ['version', 'prodid', 'calscale', 'method', 'name', 'x-wr-calname', 'x-published-ttl'];
    expect(header.map((name) => String(component.getFirstPropertyValue(name)))).toEqual([
      '2.0',
      '-//Countersign//0.1.0//EN',
      'GREGORIAN',
      'PUBLISH',
      'Countersign acme: tokens that end',
      'Countersign acme: tokens that end',
      'PT6H',
    ]);
    const [first, second] = events;
    expect(first?.uid).toBe(event().uid);
    expect(first?.startDate.toJSDate()).toEqual(new Date('2026-12-31T23:59:59Z'));
    expect(first?.startDate.zone.tzid).toBe('UTC');
    // It takes no time.
    expect(first?.duration.toSeconds()).toBe(0);
    expect(String(first?.component.getFirstPropertyValue('dtstamp'))).toBe('2026-03-02T09:00:00Z');
    expect(String(first?.component.getFirstPropertyValue('url'))).toBe(event().url);
    const alarms = (one: typeof first) =>
      one?.component.getAllSubcomponents('valarm').map((alarm) => String(alarm.getFirstPropertyValue('trigger')));
    expect(alarms(first)).toEqual(['-P7D', '-P1D']);
    expect(alarms(second)).toEqual([]);
  });

  test('has a component when it has no event, as RFC 5545 section 3.4 asks for', () => {
    const { component, events } = read(printCalendar(calendar([])));
    expect(events).toEqual([]);
    expect(component.getAllSubcomponents().map(({ name }) => name)).toEqual(['vtimezone']);
  });

  test('gives back any text, and no text adds a line of its own', () => {
    const plain = printCalendar(calendar([event({ summary: 'x', description: 'x' })])).match(/^[A-Z-]+(?=[:;])/gm);
    fc.assert(
      fc.property(anyText, anyText, (summary, description) => {
        const printed = printCalendar(calendar([event({ summary, description })]));
        const { component, events } = read(printed);
        expect(events).toHaveLength(1);
        expect(events[0]?.summary).toBe(kept(summary));
        expect(events[0]?.description).toBe(kept(description));
        expect(component.getAllSubcomponents().map(({ name }) => name)).toEqual(['vevent']);
        // Nor for a reader that takes other characters for line breaks.
        const lines = printed.split(/\r\n|[\n\r\u000b\u000c\u001c-\u001e\u0085\u2028\u2029]/);
        const names = lines.flatMap((line) => /^[A-Z-]+(?=[:;])/.exec(line) ?? []);
        expect(names).toEqual(plain);
      }),
    );
  });

  test('has lines of 75 octets at most, each of whole characters, each ended by CRLF (RFC 5545 section 3.1)', () => {
    fc.assert(
      fc.property(anyText, anyText, (summary, description) => {
        const printed = printCalendar(calendar([event({ summary, description })]));
        expect(printed.endsWith('\r\n')).toBe(true);
        const lines = printed.split('\r\n').slice(0, -1);
        for (const line of lines) {
          expect(line).not.toMatch(/[\r\n]/);
          expect(Buffer.byteLength(line)).toBeLessThanOrEqual(75);
          expect(line.isWellFormed()).toBe(true);
        }
      }),
    );
  });

  test.each([64, 65, 66, 67, 68])('does not cut a character of four octets at the fold after %i', (length) => {
    const summary = `${'x'.repeat(length)}\u{1f600}\u{1f600}`;
    const printed = printCalendar(calendar([event({ summary, alarmDays: [] })]));
    const [first = '', second = ''] = printed.split('\r\n').filter((line) => /^SUMMARY| .*x|\u{1f600}/u.test(line));
    expect(Buffer.byteLength(first)).toBeLessThanOrEqual(75);
    expect(Buffer.byteLength(first)).toBeGreaterThan(71);
    expect(first + second.slice(1)).toBe(`SUMMARY:${summary}`);
  });

  test('a lone surrogate is shown as U+FFFD', () => {
    const printed = printCalendar(calendar([event({ summary: 'a\ud800b' })]));
    expect(read(printed).events[0]?.summary).toBe('a\ufffdb');
  });
});
