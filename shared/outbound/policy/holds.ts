// Holds: a mailbox, or the whole account, stands still for a reason that is no message's fault.
//
// A hold ends by a person, or by itself: when its time has come one try is made, never more than one a minute.
// The try is the next waiting message where there is one, else MAIL, RCPT and RSET; either takes lease,
// connection and slot like any message. The claim of a try moves the hold's time ahead, each time further, so
// that a crash or a refusal leaves the hold standing; a message that is accepted ends it.
import type { Box, Hold } from '../records/accountState.ts';
import type { HoldJudgement, HoldReason } from './judgement.ts';
import type { OutboundNumbers } from '../numbers.ts';

const wordsMost = 600;
const cureMost = 300;

const concerns = (hold: Hold, mailbox: string): boolean =>
  hold.mailbox === undefined || hold.mailbox === mailbox.toLowerCase();

const stands = (hold: Hold, early: number): boolean => hold.until === undefined || early < hold.until;

/** A hold stands in the way of this mailbox, and its time for a try has not come. */
export const isHeld = (box: Box, mailbox: string, early: number): boolean =>
  box.holds.some((hold) => concerns(hold, mailbox) && stands(hold, early));

/** The hold of the whole account that stands now. */
export const accountHold = (box: Box, early: number): Hold | undefined =>
  box.holds.find((hold) => hold.mailbox === undefined && stands(hold, early));

/** The hold of this one mailbox that stands now. */
export const mailboxHold = (box: Box, mailbox: string, early: number): Hold | undefined =>
  box.holds.find((hold) => hold.mailbox === mailbox.toLowerCase() && stands(hold, early));

/** Holds whose time for a try has come; with a mailbox, those that concern it. */
export const dueForTry = (box: Box, early: number, mailbox?: string): readonly Hold[] =>
  box.holds.filter((hold) => !stands(hold, early) && (mailbox === undefined || concerns(hold, mailbox)));

/** The time after the next try, should that fail. */
function nextTryAt(hold: Pick<Hold, 'tries' | 'firstMs'>, late: number, numbers: OutboundNumbers): number {
  const grown = Math.min(numbers.longestProbeMs, hold.firstMs * numbers.probeGrowth ** hold.tries);
  return late + Math.max(numbers.probeAtLeastMs, grown);
}

/** A try is being made of these holds: none is due again before the next one's time. */
export function noteTry(box: Box, tried: readonly Hold[], late: number, numbers: OutboundNumbers): Box {
  return {
    ...box,
    holds: box.holds.map((hold) =>
      tried.some((one) => isSame(one, hold))
        ? {
            ...hold,
            tries: hold.tries + 1,
            until: nextTryAt({ ...hold, tries: hold.tries + 1 }, late, numbers),
          }
        : hold,
    ),
  };
}

const isSame = (one: Pick<Hold, 'mailbox'>, other: Pick<Hold, 'mailbox'>): boolean =>
  one.mailbox === other.mailbox;

/** A new hold; or the one that stands there learns its newest reason and keeps its time and its tries. */
export function placeHold(
  box: Box,
  placed: { readonly judgement: Omit<HoldJudgement, 'do' | 'code'>; readonly mailbox: string },
  late: number,
  numbers: OutboundNumbers,
): Box {
  const { judgement } = placed;
  const about = judgement.scope === 'mailbox' ? { mailbox: placed.mailbox.toLowerCase() } : {};
  const texts = {
    reason: judgement.reason,
    detail: judgement.detail.slice(0, wordsMost),
    remedy: judgement.remedy.slice(0, cureMost),
  };
  const standing = box.holds.find((hold) => isSame(hold, about));
  if (standing !== undefined) {
    if (standing.reason === 'paused') return box;
    const firstMs = Math.max(standing.firstMs, judgement.firstProbeMs);
    const learned: Hold = { ...standing, ...texts, firstMs };
    // A second failure of attempts that flew together with the first is not a try.
    return { ...box, holds: box.holds.map((hold) => (hold === standing ? learned : hold)) };
  }
  const firstMs = judgement.firstProbeMs;
  const hold: Hold = {
    ...about,
    ...texts,
    since: late,
    tries: 0,
    firstMs,
    until: nextTryAt({ tries: 0, firstMs }, late, numbers),
  };
  return { ...box, holds: [...box.holds, hold] };
}

/** A message of this mailbox was accepted: whatever kept it, and the account, from sending is over. */
export const endHolds = (box: Box, mailbox: string): Box => ({
  ...box,
  refusals: 0,
  holds: box.holds.filter((hold) => !concerns(hold, mailbox) || hold.reason === 'paused'),
});

/** A try without a message went well: this hold ends, and no other. */
export const endHold = (box: Box, hold: Pick<Hold, 'mailbox'>): Box => ({
  ...box,
  refusals: 0,
  holds: box.holds.filter((one) => !isSame(one, hold) || one.reason === 'paused'),
});

/** A person stops a mailbox, or the account. */
export function pause(
  box: Box,
  by: { readonly mailbox?: string; readonly detail: string },
  early: number,
): Box {
  const about = by.mailbox === undefined ? {} : { mailbox: by.mailbox.toLowerCase() };
  const hold: Hold = {
    ...about,
    reason: 'paused',
    detail: by.detail.slice(0, wordsMost),
    remedy: 'Resume it when it should go on.',
    since: early,
    tries: 0,
    firstMs: 0,
  };
  return { ...box, holds: [...box.holds.filter((one) => !isSame(one, about)), hold] };
}

/** A person ends whatever hold stands on a mailbox, or on the account as a whole. */
export const resume = (box: Box, mailbox?: string): Box => ({
  ...box,
  refusals: 0,
  holds: box.holds.filter((hold) => hold.mailbox !== mailbox?.toLowerCase()),
});

/** What a message is told whose mailbox the settings no longer name. */
export const removedHold: { readonly reason: HoldReason; readonly detail: string; readonly remedy: string } =
  {
    reason: 'removed',
    detail: 'Its mailbox is not in the settings any more, or does not send.',
    remedy: 'Put the mailbox back into MAILBOXES, or cancel the message.',
  };
