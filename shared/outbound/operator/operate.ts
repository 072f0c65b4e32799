// What a person may do to a message or an account: cancel, replay, mark as sent or not sent, remove, pause, resume.
// Each is one transaction conditional on the account's state, so it can't cross with an attempt: for a message with an
// active attempt it is too late. Each ends the backoff of the lanes and wakes the account.
import { textIn } from '../../mail/foreign.ts';
import { present } from '../../mail/omit.ts';
import type { Earliest } from '../../limits/storageTime.ts';
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import type { Dependencies } from '../dependencies.ts';
import { pause, resume, withoutBackoff } from '../policy/holds.ts';
import { countTransition } from '../policy/hourlyCounts.ts';
import * as transitions from '../policy/transitions.ts';
import type { Transition } from '../policy/transitions.ts';
import type { AccountState } from '../records/accountState.ts';
import type { Message, State } from '../records/message.ts';
import type { Operation } from '../ports.ts';
import { idAtEnd, messageKey, suspendedRange } from '../records/keys.ts';
import { indexRow } from '../records/messageRow.ts';
import { eventOf } from '../sending/quarantine.ts';
import { AccountTransactions, readIfReadable } from '../store/accountTransaction.ts';
import { scan } from '../store/scan.ts';
import { writeTransition } from '../store/writes.ts';

export type OperateAnswer =
  | { readonly kind: 'done' }
  /** No such message. */
  | { readonly kind: 'unknown' }
  /** It is being sent at this moment, or its state does not allow it. */
  | { readonly kind: 'refused'; readonly detail: string };

const mostListed = 10_000;

type Action = 'cancel' | 'replay' | 'markSent' | 'markNotSent' | 'remove';

const actions: Readonly<
  Record<
    Action,
    {
      readonly from: readonly State[];
      readonly apply: (message: Message, at: Earliest, by: string) => Transition;
    }
  >
> = {
  cancel: { from: ['waiting', 'held'], apply: transitions.cancel },
  replay: { from: ['failed', 'held', 'expired', 'cancelled'], apply: transitions.replay },
  markSent: { from: ['inDoubt', 'held', 'failed'], apply: transitions.markSent },
  markNotSent: { from: ['inDoubt', 'held'], apply: transitions.markNotSent },
  remove: { from: ['failed', 'held', 'inDoubt', 'sent', 'expired', 'cancelled'], apply: transitions.remove },
};

/** Applies one action to one message; `by` names the person for the history. Throws StorageTrouble. */
export async function operate(
  action: Action,
  { account, id, by }: { readonly account: string; readonly id: string; readonly by: string },
  dependencies: Dependencies,
): Promise<OperateAnswer> {
  const { from, apply } = actions[action];
  const transactions = new AccountTransactions(account, dependencies);
  let applied: Message | undefined;
  const answer = await transactions.transact<OperateAnswer>('operate', async (state) => {
    const message = await readIfReadable(account, id, dependencies);
    const listing = await unreadableListing(account, id, dependencies);
    if (listing !== undefined && (action === 'replay' || action === 'remove')) {
      const operations =
        action === 'replay' ? putBack(listing, message) : await removeUnreadable(listing, dependencies);
      if (operations === undefined)
        return { result: { kind: 'refused', detail: 'Its row still can’t be read by this version.' } };
      return { state: withoutBackoff(state), operations, result: { kind: 'done' } };
    }
    // Our own write, its answer lost and others' on top: the message is as we would have left it.
    if (applied !== undefined && message?.sequence === applied.sequence && message.state === applied.state)
      return { result: { kind: 'done' } };
    if (message === undefined)
      return { result: { kind: action === 'remove' && applied !== undefined ? 'done' : 'unknown' } };
    if (state.activeAttempts.some((active) => active.id === id))
      return { result: { kind: 'refused', detail: 'It is being sent at this moment.' } };
    if (!from.includes(message.state))
      return {
        result: { kind: 'refused', detail: `It is ${message.state}; this is not possible any more.` },
      };
    if (action === 'cancel' && transitions.mayBeSent(message))
      return {
        result: {
          kind: 'refused',
          detail:
            'It may have been sent already, so it can’t be cancelled. Ask a recipient whether it came; then mark it as sent, send it again, or remove it.',
        },
      };
    if (action === 'markNotSent' && !transitions.mayBeSent(message))
      return {
        result: {
          kind: 'refused',
          detail: 'It is not in doubt: no attempt may have reached a recipient. Cancel it instead.',
        },
      };
    const transition = apply(message, dependencies.time.earliest(), by);
    applied = transition.after ?? message;
    return {
      state: withoutBackoff(countTransition(state, transition, dependencies.time.earliest())),
      operations: await writeTransition(transition, dependencies),
      result: { kind: 'done' },
    };
  });
  if (answer.kind === 'done') await finish(action, account, dependencies, id);
  return answer;
}

interface Listing {
  readonly account: string;
  readonly id: string;
  readonly key: string;
  readonly mailbox: string;
}

/** The row that keeps a message in the quarantine; undefined if it is not there. */
async function unreadableListing(
  account: string,
  id: string,
  dependencies: Dependencies,
): Promise<Listing | undefined> {
  let found: Listing | undefined;
  await scan(
    account,
    suspendedRange('unreadable'),
    { select: ['mailbox'], mostCount: mostListed },
    (page) => {
      const row = page.find(({ key }) => idAtEnd(key) === id);
      if (row !== undefined) found = { account, id, key: row.key, mailbox: textIn(row.fields, 'mailbox') };
    },
    dependencies,
  );
  return found;
}

/** Lists it where its row says. Undefined if that can't be read. */
function putBack({ key }: Listing, message: Message | undefined): readonly Operation[] | undefined {
  if (message === undefined) return undefined;
  const index = indexRow(message);
  return [{ kind: 'delete', key }, ...(index === undefined ? [] : [{ kind: 'insert', ...index } as const])];
}

async function removeUnreadable(
  { account, id, key, mailbox }: Listing,
  dependencies: Dependencies,
): Promise<readonly Operation[]> {
  const row = await dependencies.rows.read(account, messageKey(id));
  if (row === undefined) return [{ kind: 'delete', key }];
  const at = dependencies.time.earliest();
  const detail = 'Deleted by an administrator: its row could not be read. Whether it was sent is not known.';
  const reported = await eventOf(
    'mail.failed',
    row.fields,
    { id, at, mailbox, detail, reason: 'removed' },
    dependencies,
  );
  return [
    { kind: 'delete', key },
    { kind: 'delete', key: messageKey(id) },
    ...reported.filter(({ kind }) => kind === 'insert'),
  ];
}

/** Stops a mailbox, or the whole account, until a person resumes it. Throws StorageTrouble. */
export async function pauseSending(
  { account, mailbox, by }: { readonly account: string; readonly mailbox?: string; readonly by: string },
  dependencies: Dependencies,
): Promise<void> {
  const about = { detail: `Paused by ${by}.`, ...present({ mailbox }) };
  await changeState('pause', account, dependencies, (state) =>
    pause(state, about, dependencies.time.earliest()),
  );
}

/** Ends any hold of the mailbox, or of the account as a whole. Throws StorageTrouble. */
export const resumeSending = (
  { account, mailbox }: { readonly account: string; readonly mailbox?: string },
  dependencies: Dependencies,
): Promise<void> => changeState('resume', account, dependencies, (state) => resume(state, mailbox));

async function changeState(
  action: string,
  account: string,
  dependencies: Dependencies,
  change: (state: AccountState) => AccountState,
): Promise<void> {
  await new AccountTransactions(account, dependencies).transact<undefined>('operate', (state) => ({
    state: withoutBackoff(change(state)),
    result: undefined,
  }));
  await finish(action, account, dependencies);
}

async function finish(
  action: string,
  account: string,
  dependencies: Dependencies,
  id?: string,
): Promise<void> {
  dependencies.log(outboundEvents.operatorAction({ account, action, ...present({ id }) }));
  await dependencies.queues.wake(account);
}
