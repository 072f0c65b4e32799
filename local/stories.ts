// The story of a submission as its row tells it: for commands that follow what they put on the queue. The events
// on `mail-status` are ESM's; reading rows takes nothing away from anybody.
import type { Account } from '../shared/mail/mailbox.ts';
import { getText } from '../shared/outbound/records/chunks.ts';
import { messageKey, rejectedPartition } from '../shared/outbound/records/keys.ts';
import { decodeMessage, isFinished } from '../shared/outbound/records/message.ts';
import type { Rows } from '../shared/outbound/ports.ts';
import type { SubmissionProblem } from '../shared/contract/submission.ts';

export interface MessageStory {
  readonly id: string;
  readonly state: string;
  /** `accepted → sent`. */
  readonly told: string;
  readonly detail: string;
  /** Nothing more happens to it by itself. */
  readonly resting: boolean;
}

/** Rejections that are looked through, at most. */
const rejectionsCount = 1_000;

export class Stories {
  readonly #rows: Rows;
  readonly #accounts: readonly Account[];

  constructor(rows: Rows, accounts: readonly Account[]) {
    this.#rows = rows;
    this.#accounts = accounts;
  }

  /** Undefined where it is not accepted (yet), or its mailbox is none of ours. */
  async of(id: string, mailbox: string | undefined): Promise<MessageStory | undefined> {
    const account = this.#accounts.find(({ mailboxes }) =>
      mailboxes.some(({ address }) => address.toLowerCase() === mailbox?.toLowerCase()),
    );
    if (account === undefined) return undefined;
    const row = await this.#rows.read(account.key, messageKey(id));
    if (row === undefined) return undefined;
    const message = decodeMessage(row.key, row.fields);
    return {
      id,
      state: message.state,
      told: message.story.map(({ type }) => type.replace('mail.', '')).join(' → '),
      detail: message.detail ?? '',
      resting: isFinished(message.state) || message.state === 'held',
    };
  }

  /** The problems of a rejected submission with this id, in words. */
  async rejection(id: string): Promise<string | undefined> {
    const rows = await this.#rows.query(rejectedPartition, { from: '', to: '~', limit: rejectionsCount });
    const row = rows.find(({ fields }) => fields['id'] === id);
    if (row === undefined) return undefined;
    const problems = JSON.parse(getText(row.fields, 'problems') ?? '[]') as readonly SubmissionProblem[];
    return problems.map(({ field, detail }) => `${field} ${detail}`.trim()).join('; ');
  }
}
