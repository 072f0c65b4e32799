import { expect, test } from '@jest/globals';
import { accountOf } from '../../local/crash/account.ts';
import type { Planned } from '../../local/crash/scenes.ts';
import type { Esm, Received } from '../../local/esm.ts';
import type { ServerLog } from '../../local/emulators/exchange/serverLog.ts';

const event = (type: string, sequence: number): Received => ({
  id: `m/${String(sequence)}`,
  type: `mail.${type}`,
  time: '',
  data: { sequence },
});

/** What was told, and how often the server took it. */
function draw(
  told: readonly string[],
  arrivals: number,
  ends: Planned['ends'],
): ReturnType<typeof accountOf> {
  const esm = { rejections: [], eventsOf: () => told.map((type, at) => event(type, at + 1)) };
  const log = { messagesOf: () => new Array<object>(arrivals).fill({ to: ['desk'] }) };
  return accountOf({ id: 'm', submission: {}, ends }, esm as unknown as Esm, log as unknown as ServerLog);
}

test.each<[string, readonly string[], number, Planned['ends'], string | undefined]>([
  ['sent once', ['accepted', 'sent'], 1, ['sent'], undefined],
  ['never told', [], 0, ['sent'], 'lost'],
  ['taken, and its end never told', ['accepted'], 1, ['sent'], 'lost'],
  ['told as sent, never taken', ['accepted', 'sent'], 0, ['sent'], 'lost'],
  ['taken twice', ['accepted', 'sent'], 2, ['sent'], 'duplicate'],
  ['taken twice, in doubt between', ['accepted', 'inDoubt', 'sent'], 2, ['sent', 'doubt'], 'duplicate'],
  ['held without a doubt', ['accepted', 'held'], 0, ['sent', 'doubt'], 'lost'],
  ['held after a doubt', ['accepted', 'inDoubt', 'held'], 1, ['sent', 'doubt'], undefined],
  ['held after a doubt where the copy was there', ['accepted', 'inDoubt', 'held'], 1, ['sent'], 'lost'],
  ['failed as it should', ['accepted', 'failed'], 0, ['failed'], undefined],
  ['failed, and taken', ['accepted', 'failed'], 1, ['failed'], 'told'],
  ['failed where it should be sent', ['accepted', 'failed'], 0, ['sent'], 'lost'],
])('%s', (_what, told, arrivals, ends, fault) => {
  expect(draw(told, arrivals, ends).fault?.kind).toBe(fault);
});

test('a gap in what was told is seen', () => {
  const esm = { rejections: [], eventsOf: () => [event('accepted', 1), event('sent', 3)] };
  const log = { messagesOf: () => [{ to: ['desk'] }] };
  const account = accountOf(
    { id: 'm', submission: {}, ends: ['sent'] },
    esm as unknown as Esm,
    log as unknown as ServerLog,
  );
  expect(account.fault).toEqual({ kind: 'told', detail: 'event 2 is missing' });
});

test.each<[string, string, readonly (readonly string[])[], string | undefined]>([
  ['each as it was', 'sent', [['desk'], ['late']], undefined],
  ['refused, and told as sent', 'sent', [['desk']], 'lost'],
  ['refused, and told so', 'failed', [['desk']], undefined],
  ['taken, and told as failed', 'failed', [['desk'], ['late']], 'told'],
  ['taken twice for one of them', 'sent', [['desk', 'late'], ['late']], 'duplicate'],
])('recipients are judged one by one: %s', (_what, late, arrivals, fault) => {
  const recipients = [
    { address: 'desk', outcome: 'sent' },
    { address: 'late', outcome: late },
  ];
  const last = { ...event('sent', 2), data: { sequence: 2, recipients } };
  const esm = { rejections: [], eventsOf: () => [event('accepted', 1), last] };
  const log = { messagesOf: () => arrivals.map((to) => ({ to })) };
  const account = accountOf(
    { id: 'm', submission: {}, ends: ['sent'] },
    esm as unknown as Esm,
    log as unknown as ServerLog,
  );
  expect(account.fault?.kind).toBe(fault);
});
