// What a person, or ESM, may do to a message or an account: cancel, replay, mark as sent, remove, pause, resume.
// Each is one transaction conditional on the box, so it can't cross with an attempt: a message in the open list
// is on its way, and it is too late. Each wakes the lanes and rings.
import { upkeepEvents } from '../../telemetry/outboundEvents.ts';
import type { Box } from '../records/accountState.ts';
import { Desk } from '../store/accountTransaction.ts';
import type { Dependencies } from '../dependencies.ts';
import { pause, resume } from '../policy/holds.ts';
import type { Message, State } from '../records/message.ts';
import * as moves from '../policy/transitions.ts';
import type { Move } from '../policy/transitions.ts';
import { writeMove } from '../store/writes.ts';

export type OperateAnswer =
  | { readonly kind: 'done' }
  /** No such message. */
  | { readonly kind: 'unknown' }
  /** It is being sent at this moment, or has gone too far for this. */
  | { readonly kind: 'refused'; readonly detail: string };

type Act = 'cancel' | 'replay' | 'markSent' | 'remove';

const acts: Readonly<
  Record<
    Act,
    { readonly from: readonly State[]; readonly move: (message: Message, at: number, by: string) => Move }
  >
> = {
  cancel: { from: ['waiting', 'held'], move: moves.cancel },
  replay: { from: ['failed', 'held', 'expired', 'cancelled'], move: moves.replay },
  markSent: { from: ['inDoubt', 'held', 'failed'], move: moves.markSent },
  remove: { from: ['failed', 'held', 'inDoubt', 'sent', 'expired', 'cancelled'], move: moves.remove },
};

/** Applies one act to one message; `by` names the person for the story. Throws StorageTrouble. */
export async function operate(
  act: Act,
  { account, id, by }: { readonly account: string; readonly id: string; readonly by: string },
  doors: Dependencies,
): Promise<OperateAnswer> {
  const desk = new Desk(account, doors);
  await desk.read();
  let applied: Message | undefined;
  const answer = await desk.transact<OperateAnswer>(async (box) => {
    const message = await desk.readMessage(id);
    // Our own write, its answer lost and others' on top: the message is as we would have left it.
    if (applied !== undefined && message?.sequence === applied.sequence && message.state === applied.state)
      return { settled: { kind: 'done' } };
    if (message === undefined)
      return { settled: act === 'remove' && applied !== undefined ? { kind: 'done' } : { kind: 'unknown' } };
    if (box.open.some((open) => open.id === id))
      return { settled: { kind: 'refused', detail: 'It is being sent at this moment.' } };
    if (!acts[act].from.includes(message.state)) {
      return { settled: { kind: 'refused', detail: `It is ${message.state}; that can't be done any more.` } };
    }
    const move = acts[act].move(message, doors.time.early(), by);
    applied = move.after ?? message;
    return { box: awake(box), operations: await writeMove(move, doors), result: { kind: 'done' } };
  });
  if (answer.kind === 'done') await finish(act, account, doors, id);
  return answer;
}

/** Stops a mailbox, or the whole account, until a person resumes it. Throws StorageTrouble. */
export async function pauseSending(
  { account, mailbox, by }: { readonly account: string; readonly mailbox?: string; readonly by: string },
  doors: Dependencies,
): Promise<void> {
  const about = { detail: `Paused by ${by}.`, ...(mailbox === undefined ? {} : { mailbox }) };
  await changeBox(account, doors, (box) => pause(box, about, doors.time.early()));
  await finish('pause', account, doors);
}

/** Ends whatever hold stands on the mailbox, or on the account as a whole. Throws StorageTrouble. */
export async function resumeSending(
  { account, mailbox }: { readonly account: string; readonly mailbox?: string },
  doors: Dependencies,
): Promise<void> {
  await changeBox(account, doors, (box) => resume(box, mailbox));
  await finish('resume', account, doors);
}

async function changeBox(account: string, doors: Dependencies, change: (box: Box) => Box): Promise<void> {
  const desk = new Desk(account, doors);
  await desk.read();
  await desk.transact<undefined>((box) => ({ box: awake(change(box)), operations: [], result: undefined }));
}

const awake = (box: Box): Box => ({ ...box, sleep: { 0: 0, 1: 0, 2: 0 } });

async function finish(act: string, account: string, doors: Dependencies, id?: string): Promise<void> {
  doors.log(upkeepEvents.operated({ account, act, ...(id === undefined ? {} : { id }) }));
  await doors.queues.ring(account);
}
