import { expect, test } from '@jest/globals';
import { verdictOf } from '../../local/crash/verdict.ts';
import type { Planned } from '../../local/crash/scenarios.ts';
import type { EsmQueueClient, ReceivedEvent } from '../../local/stack/esmQueueClient.ts';
import type { ServerLog } from '../../local/emulators/exchange/serverLog.ts';

const event = (type: string, sequence: number): ReceivedEvent => ({
  id: `m/${String(sequence)}`,
  type: `mail.${type}`,
  time: '',
  data: { sequence },
});

/** The events, and how often the server accepted it. */
function draw(
  history: readonly string[],
  arrivals: number,
  ends: Planned['ends'],
): ReturnType<typeof verdictOf> {
  const esm = { rejections: [], eventsOf: () => history.map((type, at) => event(type, at + 1)) };
  const log = { messagesOf: () => new Array<object>(arrivals).fill({ to: ['desk'] }) };
  return verdictOf(
    { id: 'm', submission: {}, ends },
    esm as unknown as EsmQueueClient,
    log as unknown as ServerLog,
  );
}

test.each<[string, readonly string[], number, Planned['ends'], string | undefined]>([
  ['sent once', ['accepted', 'sent'], 1, ['sent'], undefined],
  ['never told', [], 0, ['sent'], 'lost'],
  ['accepted, without a final event', ['accepted'], 1, ['sent'], 'lost'],
  ['reported as sent, never accepted', ['accepted', 'sent'], 0, ['sent'], 'lost'],
  ['taken twice', ['accepted', 'sent'], 2, ['sent'], 'duplicate'],
  ['taken twice, in doubt between', ['accepted', 'inDoubt', 'sent'], 2, ['sent', 'doubt'], 'duplicate'],
  ['held without a doubt', ['accepted', 'held'], 0, ['sent', 'doubt'], 'lost'],
  ['held after a doubt', ['accepted', 'inDoubt', 'held'], 1, ['sent', 'doubt'], undefined],
  ['held after a doubt where the copy was there', ['accepted', 'inDoubt', 'held'], 1, ['sent'], 'lost'],
  ['failed as it should', ['accepted', 'failed'], 0, ['failed'], undefined],
  ['failed, and taken', ['accepted', 'failed'], 1, ['failed'], 'misreported'],
  ['failed instead of sent', ['accepted', 'failed'], 0, ['sent'], 'lost'],
])('%s', (_what, history, arrivals, ends, violation) => {
  expect(draw(history, arrivals, ends).violation?.kind).toBe(violation);
});

test('a missing event is detected', () => {
  const esm = { rejections: [], eventsOf: () => [event('accepted', 1), event('sent', 3)] };
  const log = { messagesOf: () => [{ to: ['desk'] }] };
  const account = verdictOf(
    { id: 'm', submission: {}, ends: ['sent'] },
    esm as unknown as EsmQueueClient,
    log as unknown as ServerLog,
  );
  expect(account.violation).toEqual({ kind: 'misreported', detail: 'event 2 is missing' });
});

test.each<[string, string, readonly (readonly string[])[], string | undefined]>([
  ['each as it was', 'sent', [['desk'], ['late']], undefined],
  ['refused, and reported as sent', 'sent', [['desk']], 'lost'],
  ['refused, and told so', 'failed', [['desk']], undefined],
  ['accepted, and reported as failed', 'failed', [['desk'], ['late']], 'misreported'],
  ['accepted twice for one of them', 'sent', [['desk', 'late'], ['late']], 'duplicate'],
])('recipients are judged one by one: %s', (_what, late, arrivals, violation) => {
  const recipients = [
    { address: 'desk', outcome: 'sent' },
    { address: 'late', outcome: late },
  ];
  const last = { ...event('sent', 2), data: { sequence: 2, recipients } };
  const esm = { rejections: [], eventsOf: () => [event('accepted', 1), last] };
  const log = { messagesOf: () => arrivals.map((to) => ({ to })) };
  const account = verdictOf(
    { id: 'm', submission: {}, ends: ['sent'] },
    esm as unknown as EsmQueueClient,
    log as unknown as ServerLog,
  );
  expect(account.violation?.kind).toBe(violation);
});
