import { expect, test } from '@jest/globals';
import { logLine } from '../../shared/telemetry/logLine.ts';

const lineOf = (detail: string): string => logLine({ name: 'room.event', level: 'info', fields: { detail } });

test('an event is one object with its name first', () => {
  const line = logLine({
    name: 'outbound.sent',
    level: 'info',
    fields: { attempt: 2, late: undefined, ok: true },
  });
  expect(line).toBe('{"event":"outbound.sent","attempt":2,"ok":true}');
});

test.each([
  ['a line of its own', 'x\r\n{"event":"outbound.sent"}'],
  ['an ANSI escape', 'x\u001b[2J'],
  ['NUL', 'x\u0000'],
  ['C1 control', 'x\u009b31m'],
  ['line separator', 'x\u2028y'],
  ['bidirectional override', 'x\u202egpj.exe'],
])('a value with %s stays one printable line that says the same', (_, detail) => {
  const line = lineOf(detail);
  expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202e]/);
  expect(JSON.parse(line)).toEqual({ event: 'room.event', detail });
});

test('a value of a megabyte, and half a surrogate pair, are bounded and whole', () => {
  const line = lineOf(`\ud83d${'x'.repeat(1_000_000)}`);
  expect(line.length).toBeLessThan(1_100);
  expect((JSON.parse(line) as { detail: string }).detail).toMatch(/^\ufffdx+…$/);
});

test('a field cannot rename the event', () => {
  expect(logLine({ name: 'a.b', level: 'info', fields: { event: 'c.d' } })).toBe('{"event":"a.b"}');
});
