// Holds: a mailbox, or the whole account, is stopped for a reason that is no message's fault.
//
// A hold is ended by a person, or by a probe: when its time has come one attempt is made, never more than one a
// minute. The probe is the next waiting message if there is one, else MAIL, RCPT and RSET; either needs lease,
// connection and slot like any message. Claiming the probe moves the hold's time ahead, each time further, so that
// a crash or a refusal leaves the hold in force; a message that is accepted ends it.
import type { Earliest, Latest } from '../../limits/storageTime.ts';
import type { HoldReason } from '../../contract/holdReason.ts';
import { present } from '../../mail/omit.ts';
import type { OutboundNumbers } from '../numbers.ts';
import type { AccountState, Hold } from '../records/accountState.ts';
import { addToTally, countAcceptance } from './refusals.ts';
import { withNames, type HoldJudgement } from './judgement.ts';

const detailCharacters = 600;
const remedyCharacters = 500;

const concerns = (hold: Hold, mailbox: string): boolean =>
  hold.mailbox === undefined || hold.mailbox === mailbox.toLowerCase();

const isActive = (hold: Hold, earliest: Earliest): boolean =>
  hold.probeAt === undefined || earliest < hold.probeAt;

/** A hold concerns this mailbox, and its probe is not due. */
export const isHeld = (state: AccountState, mailbox: string, earliest: Earliest): boolean =>
  state.holds.some((hold) => concerns(hold, mailbox) && isActive(hold, earliest));

/** The hold of the whole account, unless its probe is due. */
export const accountHold = (state: AccountState, earliest: Earliest): Hold | undefined =>
  state.holds.find((hold) => hold.mailbox === undefined && isActive(hold, earliest));

/** The hold of this one mailbox, unless its probe is due. */
export const mailboxHold = (state: AccountState, mailbox: string, earliest: Earliest): Hold | undefined =>
  state.holds.find((hold) => hold.mailbox === mailbox.toLowerCase() && isActive(hold, earliest));

/** Holds whose probe is due; with a mailbox, those that concern it. */
export const dueForProbe = (state: AccountState, earliest: Earliest, mailbox?: string): readonly Hold[] =>
  state.holds.filter(
    (hold) => !isActive(hold, earliest) && (mailbox === undefined || concerns(hold, mailbox)),
  );

/** When the probe after this one is due, if this one fails. */
function nextProbeAt(
  hold: Pick<Hold, 'probeCount' | 'firstProbeMs'>,
  latest: Latest,
  numbers: OutboundNumbers,
): number {
  const grown = Math.min(numbers.longestProbeMs, hold.firstProbeMs * numbers.probeGrowth ** hold.probeCount);
  return latest + Math.max(numbers.probeAtLeastMs, grown);
}

/** These holds are being probed: none is due again before its next time. */
export function recordProbe(
  state: AccountState,
  probed: readonly Hold[],
  latest: Latest,
  numbers: OutboundNumbers,
): AccountState {
  return {
    ...state,
    holds: state.holds.map((hold) =>
      probed.some((one) => isSame(one, hold))
        ? {
            ...hold,
            probeCount: hold.probeCount + 1,
            probeAt: nextProbeAt({ ...hold, probeCount: hold.probeCount + 1 }, latest, numbers),
          }
        : hold,
    ),
  };
}

const isSame = (one: Pick<Hold, 'mailbox'>, other: Pick<Hold, 'mailbox'>): boolean =>
  one.mailbox === other.mailbox;

/** A new hold; or the one that is there takes over the newest reason and keeps its time and its count of probes. */
export function placeHold(
  state: AccountState,
  placed: {
    readonly judgement: Omit<HoldJudgement, 'do' | 'code'>;
    readonly mailbox: string;
    /** The account's login, for the remedy. */
    readonly smtpUser?: string;
  },
  latest: Latest,
  numbers: OutboundNumbers,
): AccountState {
  const { judgement } = placed;
  const about = judgement.scope === 'mailbox' ? { mailbox: placed.mailbox.toLowerCase() } : {};
  const texts = {
    reason: judgement.reason,
    detail: judgement.detail.slice(0, detailCharacters),
    remedy: withNames(judgement.remedy, {
      address: about.mailbox === undefined ? (placed.smtpUser ?? '') : placed.mailbox,
      ...present({ smtpUser: placed.smtpUser }),
    }).slice(0, remedyCharacters),
  };
  const placedBefore = state.holds.find((hold) => isSame(hold, about));
  if (placedBefore !== undefined) {
    if (placedBefore.reason === 'paused') return state;
    const firstProbeMs = Math.max(placedBefore.firstProbeMs, judgement.firstProbeMs);
    const updated: Hold = { ...placedBefore, ...texts, firstProbeMs };
    // A second failure of attempts that ran together with the first is not a probe.
    return { ...state, holds: state.holds.map((hold) => (hold === placedBefore ? updated : hold)) };
  }
  const firstProbeMs = judgement.firstProbeMs;
  const hold: Hold = {
    ...about,
    ...texts,
    since: latest,
    probeCount: 0,
    firstProbeMs,
    probeAt: nextProbeAt({ probeCount: 0, firstProbeMs }, latest, numbers),
  };
  return { ...state, holds: [...state.holds, hold] };
}

/** A message of this mailbox was accepted: its holds and the account's end, except a person's. */
export const endHolds = (state: AccountState, mailbox: string): AccountState =>
  release(countAcceptance(state, mailbox), (hold) => concerns(hold, mailbox) && hold.reason !== 'paused');

/** A probe without a message succeeded: this hold ends, and no other. */
export const endHold = (state: AccountState, hold: Pick<Hold, 'mailbox'>): AccountState =>
  release(withoutRefusals(state, hold.mailbox), (one) => isSame(one, hold) && one.reason !== 'paused');

function release(state: AccountState, isOver: (hold: Hold) => boolean): AccountState {
  const over = state.holds.filter(isOver);
  if (over.length === 0) return state;
  const counted = over.reduce((after, { mailbox }) => addToTally(after, mailbox, { released: 1 }), state);
  return { ...counted, holds: state.holds.filter((hold) => !over.includes(hold)) };
}

/** What was refused before counts no more: of the mailbox, or of all. */
const withoutRefusals = (state: AccountState, mailbox: string | undefined): AccountState => ({
  ...state,
  refusals: mailbox === undefined ? [] : state.refusals.filter((refusal) => refusal.mailbox !== mailbox),
});

/** A person stops a mailbox, or the account. */
export function pause(
  state: AccountState,
  by: { readonly mailbox?: string; readonly detail: string },
  earliest: Earliest,
): AccountState {
  const about = by.mailbox === undefined ? {} : { mailbox: by.mailbox.toLowerCase() };
  const hold: Hold = {
    ...about,
    reason: 'paused',
    detail: by.detail.slice(0, detailCharacters),
    remedy: 'Resume it when sending may go on.',
    since: earliest,
    probeCount: 0,
    firstProbeMs: 0,
  };
  return { ...state, holds: [...state.holds.filter((one) => !isSame(one, about)), hold] };
}

/** A person ends the hold of a mailbox, or of the account as a whole. */
export const resume = (state: AccountState, mailbox?: string): AccountState => {
  const own = mailbox?.toLowerCase();
  return release(withoutRefusals(state, own), (hold) => hold.mailbox === own);
};

/** The reason given for messages whose mailbox the settings no longer name. */
export const removedHold: { readonly reason: HoldReason; readonly detail: string; readonly remedy: string } =
  {
    reason: 'removed',
    detail: 'Its mailbox is not in the settings any more, or does not send.',
    remedy: 'Put the mailbox back into MAILBOXES, or cancel the message.',
  };

/** Every lane may be sent from at once. */
export const withoutBackoff = (state: AccountState): AccountState => ({
  ...state,
  backoffUntil: { 0: 0, 1: 0, 2: 0 },
});
