// A folder in memory behind the IMAP port, for tests of thousands of mails that are about the store.
import { readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { classifyMail } from '../../shared/classify/classifyMail.ts';
import type {
  FetchedHead,
  ImapResult,
  ImapTrouble,
  Mailboxes,
  MailboxSession,
  ParseAnswer,
  Parser,
} from '../../shared/inbound/ports.ts';
import { field, mailText, readHeaders } from '../../shared/mail/headers.ts';

interface Held {
  readonly uid: number;
  readonly bytes: Uint8Array;
  readonly receivedAt: number;
}

export class FolderOfMails implements Mailboxes {
  uidValidity = 14;
  /** By UID. */
  readonly messages = new Map<number, Held>();
  readonly acts: string[] = [];
  refusesActions = false;
  isAway = false;
  #uidNext = 1;

  deliver(mail: string, receivedAt: number): void {
    this.messages.set(this.#uidNext, { uid: this.#uidNext, bytes: Buffer.from(mail, 'latin1'), receivedAt });
    this.#uidNext += 1;
  }

  /** As after a mailbox move: other numbers for the same mails. */
  renumber(): void {
    this.uidValidity += 1;
    const all = [...this.messages.values()];
    this.messages.clear();
    this.#uidNext = 1;
    for (const one of all) {
      this.messages.set(this.#uidNext, { ...one, uid: this.#uidNext });
      this.#uidNext += 1;
    }
  }

  open(): Promise<ImapResult<{ readonly session: MailboxSession }>> {
    const chosen = (uids: readonly number[]): readonly Held[] =>
      uids.flatMap((uid) => this.messages.get(uid) ?? []);
    const answer = <T extends object>(of: T): Promise<ImapResult<T>> =>
      Promise.resolve({ kind: 'ok', ...of });
    const failed = (
      trouble: ImapTrouble,
    ): Promise<{ readonly kind: 'failed'; readonly trouble: ImapTrouble }> =>
      Promise.resolve({ kind: 'failed', trouble });
    if (this.isAway) return failed({ kind: 'unavailable', detail: 'No connection.' });
    return answer({
      session: {
        uidValidity: this.uidValidity,
        uidNext: this.#uidNext,
        listAbove: (above) => answer({ uids: [...this.messages.keys()].filter((uid) => uid > above) }),
        stillThere: (uids) => answer({ uids: chosen(uids).map(({ uid }) => uid) }),
        readHeads: (uids) =>
          answer({
            heads: chosen(uids).map(({ uid, bytes, receivedAt }): FetchedHead => ({
              uid,
              bytes,
              whole: true,
              sizeBytes: bytes.byteLength,
              receivedAt,
            })),
            gone: uids.filter((uid) => !this.messages.has(uid)),
          }),
        readHeaders: (uids) =>
          answer({ headers: new Map(chosen(uids).map(({ uid, bytes }) => [uid, bytes])) }),
        stream: () => {
          throw new Error('These mails are given whole.');
        },
        act: (uids, action) => {
          if (this.refusesActions)
            return failed({ kind: 'folderMissing', detail: 'There is no such folder.' });
          for (const { uid } of chosen(uids)) {
            this.acts.push(`${String(uid)} ${action.kind === 'move' ? action.folder : action.kind}`);
            if (action.kind !== 'seen') this.messages.delete(uid);
          }
          return answer({});
        },
        close: () => Promise.resolve(),
      },
    });
  }
}

/** What the real parser would say of simple mails, without its threads. */
export const plainParser: Parser = {
  parse(raw): Promise<ParseAnswer> {
    const text = mailText(raw.kind === 'bytes' ? raw.bytes : readFileSync(raw.path));
    const block = readHeaders(text);
    const said = text.slice(block.bodyAt).replace(/^--.*$/gm, '');
    const nobody = { from: [], sender: [], replyTo: [], to: [], cc: [] };
    const messageId = field(block, 'message-id');
    const parsed = {
      ...nobody,
      messageId,
      inReplyTo: [],
      references: [],
      subject: field(block, 'subject'),
      dateMs: 0,
    };
    const contentFingerprint = createHash('sha256').update(said).digest('hex').slice(0, 32);
    const rest = { text: undefined, html: undefined, parts: [], remarks: [], contentFingerprint };
    return Promise.resolve({
      kind: 'parsed',
      mail: { ...parsed, ...rest },
      classification: classifyMail(text),
    });
  },
  close: () => Promise.resolve(),
};
