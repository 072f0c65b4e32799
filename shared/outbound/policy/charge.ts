// The day's charge of a message. It is charged at the claim, and the charge stays. If the server certainly did not accept
// the attempt, the next claim of the same message moves the charge: off its bucket and onto the new attempt's, in one
// write. So a message that is refused again and again is charged once, and at every instant for the attempt that was
// made last.
import { withdrawCharge, type Usage } from '../../limits/limiter.ts';
import { remaining, type Message } from '../records/message.ts';

type Charged = Pick<Message, 'movableCharge'>;

/** How many recipients of its former attempt a claim for `recipientCount` recipients moves. */
export const movedCount = ({ movableCharge }: Charged, recipientCount: number): number =>
  Math.min(movableCharge?.count ?? 0, recipientCount);

/** The account's usage as the next claim of the message finds it: without the charge that it moves. */
export function usageForClaim(usage: Usage, message: Message): Usage {
  const { movableCharge } = message;
  if (movableCharge === undefined) return usage;
  const count = movedCount(message, remaining(message).length);
  return withdrawCharge(usage, { bucket: movableCharge.bucket, count });
}
