// What an operator may do to mail that was fetched. Each act is idempotent and throws StorageTrouble if the store does not
// answer; who may do it and its audit record are the caller's business.
import { deadline } from '../deadline.ts';
import { sameAddress } from '../mail/address.ts';
import { mailText, readHeaders } from '../mail/headers.ts';
import { actionFor } from '../mail/mailbox.ts';
import type { InboundDependencies, MailboxContext } from './dependencies.ts';
import type { MessageEntry, StoredContent } from './ports.ts';
import { blobName, personPrint, prepare, rawBlobName } from './prepare.ts';
import { removeContent } from './prune.ts';
import { fileOf, headOf, Spool } from './rawMail.ts';
import { identify } from './stableId.ts';

export type Done =
  | { readonly kind: 'done' }
  /** The mailbox is not served, or no such message is known. */
  | { readonly kind: 'unknown' }
  /** The message is known and its content was removed. */
  | { readonly kind: 'contentGone' }
  /** It can't be done; `detail` says why. */
  | { readonly kind: 'refused'; readonly detail: string };

export interface InboundOperator {
  /** Removes all stored content of one message. It stays known, so that it is not announced again. */
  erase(address: string, id: string): Promise<Done>;
  /**
   * Removes all stored content of mail whose From, Sender or Reply-To is `person`. Notices that nobody has taken from the
   * queue yet stay there, and so does the mail in the mailbox itself.
   */
  eraseCorrespondent(address: string, person: string): Promise<{ readonly erasedCount: number } | undefined>;
  /** Publishes the notice of one message once more, with the same id, made from the stored bytes. */
  announceAgain(address: string, id: string): Promise<Done>;
  /** The raw message as a file at `path`, which the caller removes. */
  download(address: string, id: string, path: string): Promise<Done>;
  /** Moves a message that was sorted as a machine's to where persons' mail goes. It is searched for in the folder of its kind. */
  moveToPersons(address: string, id: string): Promise<Done>;
}

/** Pages of content rows that are read for one correspondent. */
const pageLimit = 1_000;
const pageCount = 1_000;
/** Messages of a folder that are compared with the one that is searched for. */
const searchLimit = 5_000;
const headersAtOnce = 50;
const moveMs = 60_000;

export function createInboundOperator(
  contexts: readonly MailboxContext[],
  dependencies: InboundDependencies,
): InboundOperator {
  const { ledger, blobs, clock, random, numbers } = dependencies;
  const contextAt = (address: string): MailboxContext | undefined =>
    contexts.find(({ mailbox }) => sameAddress(mailbox.address, address));
  const find = async (
    address: string,
    id: string,
  ): Promise<
    { readonly context: MailboxContext; readonly entry: MessageEntry } | { readonly kind: 'unknown' }
  > => {
    const context = contextAt(address);
    const entry = context === undefined ? undefined : await ledger.find(context.key, id);
    return context === undefined || entry === undefined ? { kind: 'unknown' } : { context, entry };
  };
  /** The raw message in a file for as long as `use` takes. */
  const withRaw = async (
    context: MailboxContext,
    id: string,
    use: (path: string, prefix: string) => Promise<Done>,
  ): Promise<Done> => {
    const spool = new Spool(random.id());
    const prefix = spool.prefix();
    try {
      await spool.ready();
      const path = `${prefix}raw`;
      return (await blobs.save(rawBlobName(context, id), path))
        ? await use(path, prefix)
        : { kind: 'contentGone' };
    } finally {
      await spool.clear();
    }
  };
  return {
    async erase(address, id) {
      const found = await find(address, id);
      if ('kind' in found) return found;
      const { context, entry } = found;
      const content = await ledger.contentOf(context.key, { id, day: entry.contentDay });
      if (content === undefined) return { kind: 'contentGone' };
      await removeContent(context, [content], dependencies);
      return { kind: 'done' };
    },

    async eraseCorrespondent(address, person) {
      const context = contextAt(address);
      if (context === undefined) return undefined;
      const print = personPrint(context.key, person);
      const theirs: StoredContent[] = [];
      for await (const content of allContent(context, dependencies)) {
        if (content.people.includes(print)) theirs.push(content);
      }
      for (let at = 0; at < theirs.length; at += pageCount)
        await removeContent(context, theirs.slice(at, at + pageCount), dependencies);
      return { erasedCount: theirs.length };
    },

    async announceAgain(address, id) {
      const found = await find(address, id);
      if ('kind' in found) return found;
      const { context, entry } = found;
      const { notices, parser } = dependencies;
      if (notices === undefined)
        return { kind: 'refused', detail: 'Nobody takes notices (EVENTS_TO is none).' };
      return withRaw(context, id, async (path, prefix) => {
        const raw = await fileOf(path);
        const head = await headOf(path);
        const prepared = await prepare(
          {
            id,
            fetched: {
              uid: entry.uid,
              bytes: head,
              whole: false,
              ...(entry.receivedAt === 0 ? {} : { receivedAt: entry.receivedAt }),
            },
            uidValidity: entry.uidValidity,
            head,
            stored: { sha256: entry.rawSha256, sizeBytes: entry.sizeBytes },
            answer: await parser.parse(raw, `${prefix}part-`),
            identity: identify(context.key, readHeaders(mailText(head)), head),
          },
          entry,
          context,
          dependencies,
        );
        if (prepared.notice !== undefined) await notices.publish(prepared.notice);
        return { kind: 'done' };
      });
    },

    async download(address, id, path) {
      const found = await find(address, id);
      if ('kind' in found) return found;
      const saved = await blobs.save(blobName(found.context, id, 'raw.eml'), path);
      return { kind: saved ? 'done' : 'contentGone' };
    },

    async moveToPersons(address, id) {
      const found = await find(address, id);
      if ('kind' in found) return found;
      const { context, entry } = found;
      const { mailbox } = context;
      const from = actionFor(mailbox, entry.kind);
      const to = mailbox.afterFetch;
      if (to.kind !== 'move')
        return { kind: 'refused', detail: 'Persons’ mail is not moved to a folder in this mailbox.' };
      if (from.kind === 'delete')
        return { kind: 'refused', detail: 'Mail of this kind is deleted; announce it again instead.' };
      const folder = from.kind === 'move' ? from.folder : entry.folder;
      if (folder.toLowerCase() === to.folder.toLowerCase()) return { kind: 'done' };
      const time = deadline(clock, Math.min(moveMs, numbers.mailboxBudgetMs));
      const opened = await dependencies.mailboxes.open({ ...mailbox, folder }, time);
      if (opened.kind === 'failed') return { kind: 'refused', detail: opened.trouble.detail };
      const { session } = opened;
      try {
        const listed = await session.listAbove(0, entry.receivedAt === 0 ? undefined : entry.receivedAt);
        if (listed.kind === 'failed') return { kind: 'refused', detail: listed.trouble.detail };
        const uids = listed.uids.slice(-searchLimit);
        for (let at = uids.length; at > 0; at -= headersAtOnce) {
          const read = await session.readHeaders(uids.slice(Math.max(0, at - headersAtOnce), at));
          if (read.kind === 'failed') return { kind: 'refused', detail: read.trouble.detail };
          for (const [uid, bytes] of read.headers) {
            const { baseId, headerFingerprint } = identify(context.key, readHeaders(mailText(bytes)), bytes);
            if (!id.startsWith(baseId) || headerFingerprint !== entry.headerFingerprint) continue;
            const moved = await session.act([uid], to);
            return moved.kind === 'ok' ? { kind: 'done' } : { kind: 'refused', detail: moved.trouble.detail };
          }
        }
        return { kind: 'refused', detail: `The message is not in the folder ${folder} any more.` };
      } finally {
        await session.close();
      }
    },
  };
}

/** Every content row of the mailbox, once. */
async function* allContent(
  context: MailboxContext,
  { ledger }: Pick<InboundDependencies, 'ledger'>,
): AsyncIterable<StoredContent> {
  let after: StoredContent | undefined;
  for (let page = 0; page < pageLimit; page += 1) {
    const found = await ledger.contentAfter(context.key, after, pageCount);
    yield* found;
    after = found.at(-1);
    if (found.length < pageCount) return;
  }
}
