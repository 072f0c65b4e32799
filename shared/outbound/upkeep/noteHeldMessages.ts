// Messages that a hold of their mailbox or account has kept for an hour, for a failure report: such a hold is published for
// the mailbox, not for each message, and whoever sent by SMTP reads no events.
import { present } from '../../mail/omit.ts';
import type { Dependencies } from '../dependencies.ts';
import type { Hold } from '../records/accountState.ts';
import { allDueRange, idAtEnd, suspendedRange } from '../records/keys.ts';
import { remaining } from '../records/message.ts';
import { encodeSaid, heldMs, reportedMost } from '../records/reportRow.ts';
import { noneIfUnreadable } from '../records/unreadableRow.ts';
import { readBoard } from '../store/accountBoard.ts';
import { readIfReadable, readState } from '../store/accountTransaction.ts';
import { noteReport } from '../store/noteReport.ts';
import { summaries } from './sweep.ts';

/** Rows that are looked at for one hold in one run, and ids that a process remembers. */
const listedMost = 200;
const rememberedMost = 20_000;

/** Those that this process has looked at: a hold lasts for many runs. */
export type LookedAt = Set<string>;

/** Reads the rows of accounts alone that had such a hold at the last sweep. Throws StorageTrouble. */
export async function noteHeldMessages(lookedAt: LookedAt, dependencies: Dependencies): Promise<void> {
  for (const { key: account, fields } of await summaries(dependencies)) {
    const before = dependencies.time.earliest() - heldMs;
    if (!readBoard(fields).holds.some(({ since }) => since <= before)) continue;
    const state = await readState(account, dependencies).catch(noneIfUnreadable);
    for (const hold of state?.holds ?? [])
      if (hold.since <= before)
        await noteUnder(
          hold,
          { account, mailboxes: state?.suspendedMailboxes ?? [], before, lookedAt },
          dependencies,
        );
  }
}

interface Held {
  readonly account: string;
  readonly mailboxes: readonly string[];
  readonly before: number;
  readonly lookedAt: LookedAt;
}

async function noteUnder(
  hold: Hold,
  { account, mailboxes, before, lookedAt }: Held,
  dependencies: Dependencies,
): Promise<void> {
  const concerned = hold.mailbox === undefined ? mailboxes : [hold.mailbox];
  const ranges = [...concerned.map((mailbox) => suspendedRange({ mailbox })), allDueRange];
  for (const range of ranges) {
    const rows = await dependencies.rows.query(account, { ...range, limit: listedMost }, ['mailbox']);
    for (const { key } of rows) {
      const id = idAtEnd(key);
      const name = `${account}|${id}`;
      if (lookedAt.has(name)) continue;
      const message = await readIfReadable(account, id, dependencies);
      if (message === undefined || message.acceptedAt > before) continue;
      if (hold.mailbox !== undefined && message.mailbox.toLowerCase() !== hold.mailbox) continue;
      const recipients = remaining(message);
      if (message.reportsFailures === true)
        await noteReport(
          {
            account,
            id,
            kind: 'message',
            mailbox: message.mailbox,
            at: dependencies.time.earliest(),
            said: encodeSaid({
              type: 'hold',
              ...present({ detail: hold.detail, remedy: hold.remedy }),
              recipients: recipients.slice(0, reportedMost).map((address) => ({ address })),
              moreCount: Math.max(0, recipients.length - reportedMost),
            }),
          },
          dependencies,
        );
      if (lookedAt.size >= rememberedMost) lookedAt.clear();
      lookedAt.add(name);
    }
  }
}
