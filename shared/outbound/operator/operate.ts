// What a person, or ESM, may do to a message or an account: cancel, replay, mark as sent, remove, pause, resume.
// Each is one transaction conditional on the account's state, so it can't cross with an attempt: for a message with an
// active attempt it is too late. Each ends the backoff of the lanes and wakes the account.
import { present } from '../../mail/omit.ts';
import type { Earliest } from '../../limits/storageTime.ts';
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import type { Dependencies } from '../dependencies.ts';
import { pause, resume, withoutBackoff } from '../policy/holds.ts';
import * as transitions from '../policy/transitions.ts';
import type { Transition } from '../policy/transitions.ts';
import type { AccountState } from '../records/accountState.ts';
import type { Message, State } from '../records/message.ts';
import { AccountTransactions } from '../store/accountTransaction.ts';
import { writeTransition } from '../store/writes.ts';

export type OperateAnswer =
  | { readonly kind: 'done' }
  /** No such message. */
  | { readonly kind: 'unknown' }
  /** It is being sent at this moment, or its state does not allow it. */
  | { readonly kind: 'refused'; readonly detail: string };

type Action = 'cancel' | 'replay' | 'markSent' | 'remove';

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
  const answer = await transactions.transact<OperateAnswer>(async (state) => {
    const message = await transactions.readMessage(id);
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
    const transition = apply(message, dependencies.time.earliest(), by);
    applied = transition.after ?? message;
    return {
      state: withoutBackoff(state),
      operations: await writeTransition(transition, dependencies),
      result: { kind: 'done' },
    };
  });
  if (answer.kind === 'done') await finish(action, account, dependencies, id);
  return answer;
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
  await new AccountTransactions(account, dependencies).transact<undefined>((state) => ({
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
