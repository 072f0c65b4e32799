// The submissions of ESM and the actions of operators: each submission once or again, sometimes other content under a
// used id, some cancelled, some dead letters replayed.
import { createHash } from 'node:crypto';
import type { Account } from '../../shared/mail/mailbox.ts';
import type { Traffic } from './faultProfile.ts';
import type { Scheduler } from './scheduler.ts';

/** One content that was submitted under an id. */
export interface Content {
  readonly subject: string;
  /** Of the queue message. */
  readonly sha256: string;
  readonly recipients: readonly string[];
}

export interface Submitted {
  readonly id: string;
  readonly account: string;
  readonly contents: readonly Content[];
  /** When it can start: its sendAt where that is later than the moment it was submitted. */
  readonly startsAt: number;
  readonly high: boolean;
}

export interface TrafficSinks {
  submit(text: string): void;
  cancel(account: string, id: string): void;
}

/** Plans all of it at once, from now; answers who submitted what. */
export function plan(
  traffic: Traffic,
  accounts: readonly Account[],
  scheduler: Scheduler,
  sinks: TrafficSinks,
): readonly Submitted[] {
  const shares = accounts.map(({ limits }) => limits.messagesPerMinute);
  const total = shares.reduce((sum, share) => sum + share, 0);
  const submitted: Submitted[] = [];
  for (let index = 0; index < traffic.count; index += 1) {
    let draw = scheduler.uniform() * total;
    const account = accounts.find((_, at) => (draw -= shares[at] ?? 0) < 0) ?? accounts[0];
    if (account === undefined) break;
    const mailbox = scheduler.pick(account.mailboxes) ?? account.mailboxes[0];
    const afterMs = traffic.burst ? index * 20 : scheduler.uniform() * traffic.overMs;
    const id = `m${index}`;
    const delayMs = scheduler.chance(traffic.delayed) ? scheduler.between(0, 600_000) : undefined;
    const sendAt = delayMs === undefined ? undefined : scheduler.now + afterMs + delayMs;
    const expires = scheduler.chance(traffic.expiring) ? scheduler.between(60_000, 3_600_000) : undefined;
    const kind = scheduler.uniform();
    const lane = kind < traffic.high ? 'high' : kind < traffic.high + traffic.bulk ? 'bulk' : 'normal';
    const compose = (version: number): { readonly text: string; readonly content: Content } => {
      const recipients = recipientsOf(index, version, lane, traffic, scheduler);
      const subject = `Content ${version} of ${id}`;
      const text = JSON.stringify({
        id,
        mailbox: mailbox.address,
        to: recipients,
        subject,
        text: 'x'.repeat(Math.floor(scheduler.uniform() * 200)),
        priority: lane,
        ...(sendAt === undefined ? {} : { sendAt: new Date(sendAt).toISOString() }),
        ...(expires === undefined
          ? {}
          : { expiresAt: new Date((sendAt ?? scheduler.now + afterMs) + expires).toISOString() }),
      });
      const sha256 = createHash('sha256').update(text).digest('hex');
      return { text, content: { subject, sha256, recipients } };
    };
    const first = compose(1);
    scheduler.after(afterMs, () => {
      sinks.submit(first.text);
    });
    if (scheduler.chance(traffic.again))
      scheduler.after(afterMs + scheduler.between(0, 120_000), () => {
        sinks.submit(first.text);
      });
    const contents = [first.content];
    if (scheduler.chance(traffic.otherContent)) {
      const other = compose(2);
      contents.push(other.content);
      const laterMs = scheduler.chance(0.5) ? scheduler.between(0, 200) : scheduler.between(0, 120_000);
      scheduler.after(afterMs + laterMs, () => {
        sinks.submit(other.text);
      });
    }
    if (scheduler.chance(traffic.cancelled))
      scheduler.after(afterMs + scheduler.between(0, 300_000), () => {
        sinks.cancel(account.key, id);
      });
    const startsAt = sendAt ?? scheduler.now + afterMs;
    submitted.push({ id, account: account.key, contents, startsAt, high: lane === 'high' });
  }
  return submitted;
}

function recipientsOf(
  index: number,
  version: number,
  lane: string,
  { manyRecipients, mostRecipients, bulkRecipients }: Traffic,
  scheduler: Scheduler,
): readonly string[] {
  const some = scheduler.chance(manyRecipients)
    ? 2 + Math.floor(scheduler.uniform() * (mostRecipients - 1))
    : 1;
  const count = lane === 'bulk' ? (bulkRecipients ?? some) : some;
  return Array.from({ length: count }, (_, number) => `r${index}-${version}-${number}@example.org`);
}
