// What an idle night costs: storage calls of forty mailboxes that send and receive and get no mail, counted on the wire
// over some minutes after the first, in real time.
import { setTimeout as pause } from 'node:timers/promises';
import type { CallTally } from './callCount.ts';
import { domain, eventCount, idOf, put, startRig, submission, until, type Part, type Rig } from './rig.ts';

export interface IdleFigures {
  readonly mailboxCount: number;
  readonly minutes: number;
  readonly tally: CallTally;
  readonly callsPerMailboxAndHour: number;
  /** With the polls of the host's queue triggers, which all mailboxes share. */
  readonly callsWithPolls: number;
}

export async function idle(
  part: Part,
  { mailboxCount, minutes }: { readonly mailboxCount: number; readonly minutes: number },
): Promise<IdleFigures> {
  const names = Array.from({ length: mailboxCount }, (_, at) => `desk${String(at)}`);
  const rig = await startRig(part, {
    mailboxes: names.map((name) => ({ address: `${name}@${domain}`, signIn: 'application' })),
  });
  try {
    await useEach(rig, names);
    part.log('every mailbox has sent and was fetched');
    await pause(6 * 60_000); // what a sent message still costs: events, lookups, the slots of its minute
    rig.calls.reset();
    const startedAt = performance.now();
    await pause(minutes * 60_000);
    const hours = (performance.now() - startedAt) / 3_600_000;
    const tally = rig.calls.tally();
    const perMailbox = (count: number): number => count / hours / mailboxCount;
    return {
      mailboxCount,
      minutes,
      tally,
      callsPerMailboxAndHour: perMailbox(tally.own),
      callsWithPolls: perMailbox(tally.own + tally.host),
    };
  } finally {
    await rig.close();
  }
}

/** An account that was never used has nothing to look at, which would count less. */
async function useEach({ esm, stack }: Rig, names: readonly string[]): Promise<void> {
  for (const name of names) await put(esm, submission(name, idOf(name, 1)));
  const isSent = (name: string): boolean =>
    eventCount(esm, name, { from: 1, to: 1, type: 'mail.sent' }) === 1;
  await until('a message of each', 300_000, () => names.every(isSent), 1_000);
  const fetched = (): number =>
    stack.exchange.log.connections.filter(({ protocol }) => protocol === 'imap').length;
  await until('a fetch of each', 300_000, () => fetched() >= names.length, 1_000);
}
