// The status of a submission, read from its row: for commands that follow what they put on the queue. The events on
// `mail-status` belong to ESM; reading rows consumes none of them.
import type { Account } from '../../shared/mail/mailbox.ts';
import { getText } from '../../shared/outbound/records/chunks.ts';
import { messageKey, rejectedPartition } from '../../shared/outbound/records/keys.ts';
import { isFinished } from '../../shared/outbound/records/message.ts';
import { decodeMessage } from '../../shared/outbound/records/messageRow.ts';
import type { Rows } from '../../shared/outbound/ports.ts';
import type { SubmissionProblem } from '../../shared/contract/submission.ts';

export interface SubmissionStatus {
  readonly id: string;
  readonly state: string;
  /** `accepted → sent`. */
  readonly history: string;
  readonly detail: string;
  /** No further change without an operator. */
  readonly settled: boolean;
}

/** Rejections that are looked through, at most. */
const rejectionsCount = 1_000;

export class SubmissionStatusReader {
  readonly #rows: Rows;
  readonly #accounts: readonly Account[];

  constructor(rows: Rows, accounts: readonly Account[]) {
    this.#rows = rows;
    this.#accounts = accounts;
  }

  /** Undefined if it has not been accepted, or its mailbox is not configured. */
  async of(id: string, mailbox: string | undefined): Promise<SubmissionStatus | undefined> {
    const account = this.#accounts.find(({ mailboxes }) =>
      mailboxes.some(({ address }) => address.toLowerCase() === mailbox?.toLowerCase()),
    );
    if (account === undefined) return undefined;
    const row = await this.#rows.read(account.key, messageKey(id));
    if (row === undefined) return undefined;
    const message = decodeMessage(row, '[]'); // its recipients are not asked for
    return {
      id,
      state: message.state,
      history: message.history.map(({ type }) => type.replace('mail.', '')).join(' → '),
      detail: message.detail ?? '',
      settled: isFinished(message.state) || message.state === 'held',
    };
  }

  /** The problems of a rejected submission with this id, as text. */
  async rejection(id: string): Promise<string | undefined> {
    const rows = await this.#rows.query(rejectedPartition, { from: '', to: '~', limit: rejectionsCount });
    const row = rows.find(({ fields }) => fields['id'] === id);
    if (row === undefined) return undefined;
    const problems = JSON.parse(getText(row.fields, 'problems') ?? '[]') as readonly SubmissionProblem[];
    return problems.map(({ field, detail }) => `${field} ${detail}`.trim()).join('; ');
  }
}
