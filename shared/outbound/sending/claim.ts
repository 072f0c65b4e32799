// A claim takes the message, its slot and its recipients' share of the day in one conditional write of one row,
// before anything is given to the server. A stale owner can neither send nor count; an answer that was lost is
// settled by the claim's tag. The due row stays: should this process die, nothing needs to be put back.
import { permit, take } from '../../limits/window.ts';
import type { Hold, Open } from '../records/accountState.ts';
import { dueForTry, isHeld, noteTry } from '../policy/holds.ts';
import { remaining } from '../records/message.ts';
import type { Prepared } from './prepare.ts';
import type { Shift } from './leaseSession.ts';

/** More attempts than this can't be open after any number of crashes within their deadlines; the row stays small. */
const mostOpen = 40;

export type ClaimAnswer =
  | { readonly kind: 'claimed'; readonly open: Open; readonly tries: readonly Hold[] }
  /** The box is another than the one this was prepared under. */
  | { readonly kind: 'stale' }
  /** The lease is gone, or about to go; or too many attempts of dead hosts are open. */
  | { readonly kind: 'notNow' };

/** Throws StorageTrouble: then the claim may have happened, and shows up in the box as ours. */
export function claim(prepared: Prepared & { readonly kind: 'ready' }, shift: Shift): Promise<ClaimAnswer> {
  const { time, numbers, random } = shift.doors;
  const { message, head } = prepared;
  const tag = random.id();
  const recipients = remaining(message).length;
  let tries: readonly Hold[] = [];
  return shift.transact<ClaimAnswer>((box) => {
    const claimed = box.open.find((open) => open.tag === tag);
    if (claimed !== undefined) return { settled: { kind: 'claimed', open: claimed, tries } };
    if (box.lease?.tag !== shift.tag) return { settled: { kind: 'notNow' } };
    const early = time.early();
    const late = time.late();
    if (late > box.lease.until - numbers.leaseMarginMs) return { settled: { kind: 'notNow' } };
    if (box.open.length >= mostOpen) return { settled: { kind: 'notNow' } };
    if (prepared.generation !== shift.desk.generation || box.open.some(({ id }) => id === message.id))
      return { settled: { kind: 'stale' } };
    if (isHeld(box, message.mailbox, early)) return { settled: { kind: 'stale' } };
    if (permit(box, shift.law, early, recipients).kind !== 'permit') return { settled: { kind: 'stale' } };
    const deadline = late + numbers.attemptMs;
    const { taken, slot } = take(box, shift.law, deadline + numbers.graceMs, recipients);
    const open: Open = {
      id: message.id,
      attempt: message.attempt + 1,
      key: head.key,
      tag,
      owner: shift.tag,
      deadline,
      slot,
    };
    tries = dueForTry(box, early, message.mailbox);
    const tried = noteTry(box, tries, late, numbers);
    return {
      box: { ...tried, ...taken, open: [...box.open, open] },
      operations: [],
      result: { kind: 'claimed', open, tries },
    };
  });
}
