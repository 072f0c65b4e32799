// What became of messages, counted by the hour in the account's state: by mailbox and by who submitted. The sweep moves
// hours that are over to the account's summary, so the state keeps the last ones only.
import { addCounts, hourOf } from '../../mail/hourCounts.ts';
import type { AccountState } from '../records/accountState.ts';
import type { Transition } from './transitions.ts';

/** The running hour and those before it: for as long the sweep may be late. */
const keptHours = 6;
const entriesMost = 200;
/** Bounced messages that the first screen lists, of one account. */
const bouncedMost = 10;

/** An address has no space. */
export const countedOf = (mailbox: string, caller = ''): string => `${mailbox.toLowerCase()} ${caller}`;
export function partsOf(of: string): { readonly mailbox: string; readonly caller: string } {
  const at = of.indexOf(' ');
  return { mailbox: of.slice(0, at), caller: of.slice(at + 1) };
}

const counted: Readonly<Record<string, string>> = {
  'mail.sent': 'sent',
  'mail.failed': 'failed',
  'mail.bounced': 'bounced',
  'mail.expired': 'expired',
  'mail.cancelled': 'cancelled',
};

/** The state with what the transition made of its message. */
export function countTransition(
  state: AccountState,
  { before, after, event }: Transition,
  at: number,
): AccountState {
  const sentTo = (message: Transition['before'] | undefined): number =>
    message?.recipients.filter((one) => one.state === 'sent').length ?? 0;
  const recipients = Math.max(0, sentTo(after) - sentTo(before));
  const name = counted[event?.type ?? ''];
  if (name === undefined && recipients === 0) return state;
  const mailbox = before.mailbox.toLowerCase();
  const added = { ...(name === undefined ? {} : { [name]: 1 }), recipients };
  const limits = { firstHour: hourOf(at) - keptHours, mostCount: entriesMost };
  return {
    ...state,
    hourly: addCounts(state.hourly, { at, of: countedOf(mailbox, before.caller), added }, limits),
    lastSent:
      recipients === 0
        ? state.lastSent
        : [...state.lastSent.filter((one) => one.mailbox !== mailbox), { mailbox, at }],
    bounced:
      event?.type === 'mail.bounced'
        ? [...state.bounced.filter(({ id }) => id !== before.id), { id: before.id, at }].slice(-bouncedMost)
        : state.bounced,
  };
}
