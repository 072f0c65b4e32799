// The port to the bridge: what the intake needs of it.
import type { OutgoingMessage } from '../message/mendMessage.ts';
import type { HandOnResult } from './answer.ts';
import type { FailureReport, Heartbeat, MailboxesAnswer } from './contract.ts';

export interface Submission {
  readonly id: string;
  readonly mailbox: string;
  readonly recipients: readonly string[];
  readonly message: OutgoingMessage;
}

export interface Bridge {
  /** Never throws for what the network or the bridge does. Repeating it does no harm. */
  submit(submission: Submission): Promise<HandOnResult>;
  /** `refused`: this bridge will never take the report. */
  reportFailure(
    report: FailureReport,
  ): Promise<{ readonly kind: 'taken' | 'later' | 'refused'; readonly detail: string }>;
  /** Throws a BridgeTrouble if there is no usable answer. */
  mailboxes(): Promise<MailboxesAnswer>;
  /** Throws a BridgeTrouble. */
  beat(heartbeat: Heartbeat): Promise<void>;
}

/** The bridge could not be asked, or its answer not be used; the message is a sentence for the operator. */
export class BridgeTrouble extends Error {}
