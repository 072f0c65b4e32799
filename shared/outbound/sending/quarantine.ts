// The quarantine: a message whose row can't be read (UnreadableRow), or that ends the process each time that it is prepared
// (preparationNotes.ts), must not stop the others of its account. The row that
// lists it is replaced by one in the group `unreadable`, so that no lane, lookup or resumption meets it again; its own row
// stays as it is, but for the number of the event that reports it. A person sees it (`npm run outbox -- unreadable`) and
// puts it back, once a program that can read it runs, or removes it.
import { textIn } from '../../mail/foreign.ts';
import type { MessageEvent } from '../../contract/statusEvent.ts';
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import type { Dependencies } from '../dependencies.ts';
import type { Fields, Operation } from '../ports.ts';
import { idAtEnd, messageKey, suspendedKey } from '../records/keys.ts';
import { writeEvent } from '../store/writes.ts';
import type { LeaseSession } from './leaseSession.ts';

/** Three reads and five operations each. */
const mostAtOnce = 10;

const remedy =
  'If another version of the program wrote it, start that version. Send it again with npm run outbox -- replay; or remove it and submit it again under a new id.';

/** Sets aside the messages whose rows could not be read in this lease; true if there were any. Throws StorageTrouble. */
export async function quarantineUnreadable(session: LeaseSession): Promise<boolean> {
  const found = [...session.unreadable].slice(0, mostAtOnce);
  if (found.length === 0) return false;
  await session.ifOwner<undefined>('quarantine', undefined, async (state) => {
    const active = new Set(state.activeAttempts.map(({ id }) => id));
    const operations: Operation[] = [];
    for (const [key, detail] of found)
      // What is being sent is set aside with the end of its attempt.
      if (!active.has(idAtEnd(key))) operations.push(...(await setAside(key, detail, session)));
    return operations.length === 0 ? { result: undefined } : { state, operations, result: undefined };
  });
  for (const [key, detail] of found) {
    session.unreadable.delete(key);
    reportUnreadable(idAtEnd(key), detail, session);
  }
  session.publisher.expectMore();
  return true;
}

export const reportUnreadable = (
  id: string,
  detail: string,
  { key: account, dependencies: { log } }: LeaseSession,
): void => {
  log(outboundEvents.messageQuarantined({ account, id, detail }));
};

/** What sets aside the message that the row `key` lists; nothing if it is not listed there any more. */
export async function setAside(
  key: string,
  detail: string,
  { key: account, dependencies }: Pick<LeaseSession, 'key' | 'dependencies'>,
): Promise<readonly Operation[]> {
  const { rows, time } = dependencies;
  const listing = await rows.read(account, key);
  if (listing === undefined) return [];
  const id = idAtEnd(key);
  const message = await rows.read(account, messageKey(id));
  const at = time.earliest();
  const mailbox = textIn(message?.fields, 'mailbox') || textIn(listing.fields, 'mailbox');
  const about = { at, id, mailbox, detail, remedy, reason: 'unreadable' };
  return [
    { kind: 'delete', key },
    { kind: 'insert', key: suspendedKey('unreadable', at, id), fields: { mailbox, detail, at } },
    ...(await eventOf('mail.held', message?.fields, about, dependencies)),
  ];
}

/** Its event, and its number in the message's row; nothing if the row has no number to count from. */
export async function eventOf(
  type: 'mail.held' | 'mail.failed',
  fields: Fields | undefined,
  about: Pick<MessageEvent, 'at' | 'mailbox' | 'detail' | 'remedy' | 'reason'> & { readonly id: string },
  dependencies: Pick<Dependencies, 'contents' | 'numbers'>,
): Promise<readonly Operation[]> {
  const known = fields?.['sequence'];
  if (typeof known !== 'number' || !Number.isSafeInteger(known)) return [];
  const { id, ...said } = about;
  const sequence = known + 1;
  return [
    { kind: 'merge', key: messageKey(id), fields: { sequence } },
    await writeEvent({ type, submissionId: id, sequence, ...said }, dependencies),
  ];
}
