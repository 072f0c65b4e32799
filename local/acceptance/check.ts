// What an acceptance run consists of: checks, what each of them is given, and what it comes to.
import type { Clock } from '../../shared/clock.ts';
import type { BridgeAccess } from './bridgeAccess.ts';
import type { MailServers, TestMailbox } from './testMailbox.ts';

/** `notDone`: an option or an earlier check is missing; it counts neither as passed nor as failed. */
export type Outcome = 'passed' | 'failed' | 'notDone';

export interface CheckResult {
  readonly outcome: Outcome;
  /** One or two sentences for the administrator. Never a secret. */
  readonly detail: string;
  /** What to do about a failure, or what a check that was not done needs. */
  readonly remedy?: string;
  /** What was learnt of Exchange Online, by question; no addresses in it, since it is meant to be sent on. */
  readonly answers?: Readonly<Partial<Record<QuestionId, string>>>;
}

export interface Check {
  readonly id: string;
  /** A sentence that is true if it passed. */
  readonly title: string;
  readonly run: (context: CheckContext) => Promise<CheckResult>;
}

/** What a mailbox can answer about Exchange Online; the texts are in questions.ts. */
export type QuestionId =
  | 'overRate'
  | 'messageId'
  | 'overConnections'
  | 'sentItemsDelay'
  | 'capabilities'
  | 'keywords'
  | 'invitationForm'
  | 'unknownRecipient'
  | 'largeFolder';

/** How the mailbox is configured in MAILBOXES, as far as a check looks at its effects. */
export interface MailboxUse {
  readonly address: string;
  /** The SMTP login, if it is another one. */
  readonly smtpUser: string;
  readonly receive: boolean;
  readonly folder: string;
  /** `none`, `seen`, `delete` or `move:FOLDER`. */
  readonly afterFetch: string;
}

export interface AcceptanceNumbers {
  /** The period of the message limit. */
  readonly periodMs: number;
  /** How long mail may take from one end to the other. */
  readonly waitMs: number;
  /** How long reports, automatic replies and fetches may take. */
  readonly returnMs: number;
  readonly pollMs: number;
  /** The message, as it is on the wire. */
  readonly largeBytes: number;
  /** Messages in the large folder. */
  readonly folderCount: number;
  /** Messages that the bridge is given at once. */
  readonly burstCount: number;
  /** Messages that are sent past the bridge to reach the minute's limit. */
  readonly overRateCount: number;
  /** A reply that takes this long, and five times the median, was delayed. */
  readonly delayedMs: number;
}

/** For a tenant. */
export const realNumbers: AcceptanceNumbers = {
  periodMs: 60_000,
  waitMs: 5 * 60_000,
  returnMs: 10 * 60_000,
  pollMs: 5_000,
  largeBytes: 34 * 1_048_576,
  folderCount: 1_000,
  burstCount: 35,
  overRateCount: 33,
  delayedMs: 5_000,
};

export interface CheckContext {
  readonly clock: Clock;
  /** A few letters that are in every subject and id of this run. */
  readonly run: string;
  readonly startedAt: number;
  readonly mailbox: MailboxUse;
  /** An alias of the mailbox, as in its setting `aliases`. */
  readonly alias?: string;
  /** Another mailbox of the bridge, sent through this mailbox's account. */
  readonly sendAs?: string;
  /** An address whose automatic reply is switched on. */
  readonly absent?: string;
  /** An address that does not exist. */
  readonly gone: string;
  readonly numbers: AcceptanceNumbers;
  readonly servers: MailServers;
  readonly bridge: BridgeAccess;
  /** Undefined if it could not be opened. */
  readonly box: TestMailbox | undefined;
}

export const passed = (detail: string, answers?: CheckResult['answers']): CheckResult => ({
  outcome: 'passed',
  detail,
  ...(answers === undefined ? {} : { answers }),
});

export const failed = (detail: string, remedy?: string, answers?: CheckResult['answers']): CheckResult => ({
  outcome: 'failed',
  detail,
  ...(remedy === undefined ? {} : { remedy }),
  ...(answers === undefined ? {} : { answers }),
});

export const notDone = (detail: string, remedy?: string): CheckResult => ({
  outcome: 'notDone',
  detail,
  ...(remedy === undefined ? {} : { remedy }),
});

/** A check that needs the mailbox open is not done without it: its own check has said why. */
export const withBox =
  (run: (context: CheckContext, box: TestMailbox) => Promise<CheckResult>): Check['run'] =>
  (context) =>
    context.box === undefined
      ? Promise.resolve(notDone('The test mailbox could not be opened (check signIn).'))
      : run(context, context.box);

/** What the subjects of a check's messages begin with; ASCII, so that no encoding hides it. */
export const markOf = (context: Pick<CheckContext, 'run'>, check: string): string =>
  `[acceptance ${context.run} ${check}]`;

/** Asks until there is an answer or the time is over. */
export async function until<T>(
  { clock, numbers }: Pick<CheckContext, 'clock' | 'numbers'>,
  limitMs: number,
  ask: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const endsAt = clock.monotonic() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined || clock.monotonic() >= endsAt) return answer;
    await clock.sleep(numbers.pollMs);
  }
}
