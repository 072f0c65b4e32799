// Partial refusals: some recipients were refused at RCPT and others accepted. The copy in Sent Items will prove that
// the message was sent, but not to whom; if this process died after the final dot, nobody would know. So before any
// of the content is given, the refusals are written into the message's row under the number of the attempt; if the
// attempt is found abandoned later, those recipients keep their outcome. It is a transaction that only this case
// costs. The attempt must still be active and within its deadline, or another has put it in doubt. If the refusals
// can't be written, the dialog ends before the content: an ordinary deferral.
import { refusedAtRcpt } from '../policy/attemptResult.ts';
import type { SendResult } from '../ports.ts';
import type { Message } from '../records/message.ts';
import { noneIfUnreadable } from '../records/unreadableRow.ts';
import { writeTransition } from '../store/writes.ts';
import type { InFlightAttempt } from './inFlightAttempts.ts';
import type { LeaseSession } from './leaseSession.ts';

/** Answers every attempt with pending refusals; true if there was one. Throws StorageTrouble after answering no. */
export async function recordRefusals(
  attempts: readonly InFlightAttempt[],
  session: LeaseSession,
): Promise<boolean> {
  for (const attempt of attempts) {
    if (attempt.pendingRefusals === undefined) continue;
    const { recipients, answer } = attempt.pendingRefusals;
    let isRecorded = false;
    try {
      const recorded = await record(attempt, recipients, session);
      if (recorded === undefined) continue;
      attempt.message = recorded;
      attempt.generation = session.transactions.generation;
      isRecorded = attempt.result === undefined;
    } finally {
      answer(isRecorded);
    }
  }
  return attempts.length > 0;
}

/** The message as written; undefined if the attempt may not go on. */
function record(
  { active, message, generation }: InFlightAttempt,
  recipients: SendResult['recipients'],
  session: LeaseSession,
): Promise<Message | undefined> {
  const { dependencies } = session;
  return session.transact<Message | undefined>('recordRefusals', async (state, retry) => {
    const isActive = state.activeAttempts.some(({ tag }) => tag === active.tag);
    if (!isActive || dependencies.time.latest() >= active.deadline) return { result: undefined };
    // If its row can't be read any more the dialog ends before the content; the settlement sets the message aside.
    const before = message && (await session.current({ message, generation }, retry).catch(noneIfUnreadable));
    if (before === undefined) return { result: undefined };
    const after = { ...before, recipients: refusedAtRcpt(before, active.attempt, recipients) };
    return { state, operations: await writeTransition({ before, after }, dependencies), result: after };
  });
}
