// The lookup in Sent Items, which shows whether a message was sent that was handed over without a reply.
//
// Exchange files a copy of every SMTP submission in Sent Items of the mailbox that logged in (with Send As not in the
// sender's). A header search is only a hint on several servers, so the private header of every candidate is
// fetched and compared; the server is asked for dates only. A lookup is complete only if the header of every
// candidate in every folder was read: anything less says nothing about a copy that was not found.
//
// Exchange Online has no SPECIAL-USE (RFC 6154). imapflow then marks folders by their names, but only one for each
// use: if another client has made a folder `Sent`, it may mark that one and not `Sent Items`. So only a mark of the
// server's own is trusted; without one, every folder is searched that has such a name or was marked for it.
import { sameAddress } from '../mail/address.ts';
import type { TimeLeft } from '../deadline.ts';
import { field, mailText, messageIds, readHeaders } from '../mail/headers.ts';
import type { Account, Mailbox } from '../mail/mailbox.ts';
import type { SentItems, SentItemsAnswer, SoughtCopy } from '../outbound/ports.ts';
import type { ImapConnection, ImapFolder, ImapLogin } from './imapMailbox.ts';

type Found = Map<string, { readonly messageId?: string }>;
/** Why a lookup failed; undefined if it was complete. */
type Failure = string | undefined;

/** The server's clock may differ by so much, and SEARCH knows days of an unknown time zone. */
const clockSlackMs = 60 * 60_000;
const daySlackMs = 24 * 60 * 60_000;
/** Two busy days of one account; more can't be read within the time of a lookup. */
const candidateLimit = 100_000;
const batchCount = 200;
/** A mailbox has one or two; beyond this the names don't mean what they say. */
const folderLimit = 16;

/** What Sent Items is called, in lower case. */
const sentNames: ReadonlySet<string> = new Set(
  [
    ['sent items', 'sent', 'sent mail', 'sent messages'],
    ['lähetetyt', 'lähetetyt viestit', 'lähetetyt kohteet'],
    ['skickat', 'skickade objekt', 'skickade', 'sendt post', 'sendt', 'sendte elementer', 'sendte'],
    ['gesendete elemente', 'gesendete objekte', 'gesendet', 'verzonden items', 'verzonden'],
    ['éléments envoyés', 'messages envoyés', 'envoyés', 'elementos enviados', 'enviados'],
    ['itens enviados', 'posta inviata', 'elementi inviati', 'elements enviats', 'elemente trimise'],
    ['elementy wysłane', 'wysłane', 'odeslaná pošta', 'odoslaná pošta', 'elküldött elemek'],
    ['saadetud üksused', 'saadetud', 'nosūtītie vienumi', 'nosūtīts', 'išsiųsti elementai', 'išsiųsta'],
    ['отправленные', 'отправленные элементы', 'надіслані', 'изпратени', 'послане ставке'],
    ['poslano', 'poslane stavke', 'poslani predmeti', 'απεσταλμένα', 'gönderilmiş öğeler', 'sendir hlutir'],
    [
      '送信済みアイテム',
      '已发送邮件',
      '已傳送的郵件',
      '寄件備份',
      '보낸 편지함',
      'פריטים שנשלחו',
      'العناصر المرسلة',
    ],
  ].flat(),
);

export function createImapSentItems(login: ImapLogin): SentItems {
  return {
    async search(account, mailbox, wanted, budget) {
      const found: Found = new Map();
      if (wanted.length === 0) return { kind: 'searched', found };
      for (const location of locationsOf(account, mailbox)) {
        const detail = await searchLocation(login, location, { wanted, found, budget });
        // A copy that was found settles its message even if another mailbox could not be read.
        if (wanted.every(({ bridgeId }) => found.has(bridgeId))) break;
        if (detail !== undefined) return { kind: 'notMade', detail } satisfies SentItemsAnswer;
      }
      return { kind: 'searched', found };
    },
  };
}

/** A mailbox to search. */
interface Location {
  /** Whose grant opens the connection. */
  readonly mailbox: Mailbox;
  readonly user: string;
}

/** The account's own mailbox first: that is where Exchange files the copy. Then the sender's, if it is another. */
function locationsOf(account: Account, mailbox: Mailbox): readonly Location[] {
  const own =
    account.mailboxes.find(({ imapUser }) => sameAddress(imapUser, account.user)) ?? account.mailboxes[0];
  const first = { mailbox: own, user: account.user };
  if (sameAddress(mailbox.imapUser, account.user)) return [first];
  return [first, { mailbox, user: mailbox.imapUser }];
}

interface Lookup {
  readonly wanted: readonly SoughtCopy[];
  readonly found: Found;
  readonly budget: TimeLeft;
}

async function searchLocation(
  login: ImapLogin,
  { mailbox, user }: Location,
  lookup: Lookup,
): Promise<Failure> {
  const answer = await login(mailbox, user, lookup.budget);
  if (answer.kind === 'failed') return answer.trouble.detail;
  const { connection } = answer;
  try {
    const listed = await connection.folders();
    if (listed.kind === 'failed') return listed.trouble.detail;
    const folders = sentFolders(listed.folders);
    if (folders.length === 0) return 'No folder of this mailbox is called Sent Items in any known language.';
    if (folders.length > folderLimit)
      return `${folders.length} folders of this mailbox may be Sent Items, more than can be searched.`;
    for (const { path } of folders) {
      const detail = await searchFolder(connection, path, lookup);
      if (detail !== undefined) return detail;
    }
    return undefined;
  } finally {
    await connection.close();
  }
}

/** Every folder that may be Sent Items. */
export function sentFolders(folders: readonly ImapFolder[]): readonly ImapFolder[] {
  const marked = folders.filter(({ specialUse }) => specialUse === '\\Sent');
  const fromServer = marked.filter(({ specialUseFromServer }) => specialUseFromServer);
  if (fromServer.length > 0) return fromServer;
  return folders.filter(
    (folder) => marked.includes(folder) || sentNames.has(folder.name.trim().toLowerCase()),
  );
}

async function searchFolder(connection: ImapConnection, path: string, lookup: Lookup): Promise<Failure> {
  const { wanted, found } = lookup;
  const selected = await connection.select(path, true);
  if (selected.kind === 'failed') return selected.trouble.detail;
  const oldest = Math.min(...wanted.map(({ notBefore }) => notBefore));
  const searched = await connection.searchSince(Math.max(0, oldest - clockSlackMs - daySlackMs));
  if (searched.kind === 'failed') return searched.trouble.detail;
  // The newest first: the copy is most likely among them.
  const candidates = searched.uids.toReversed();
  if (candidates.length > candidateLimit) {
    return `Sent Items holds ${candidates.length} messages since then, more than can be searched.`;
  }
  const ids = new Set(wanted.map(({ bridgeId }) => bridgeId));
  for (let at = 0; at < candidates.length; at += batchCount) {
    if ([...ids].every((id) => found.has(id))) return undefined;
    const asked = candidates.slice(at, at + batchCount);
    const fetched = await connection.headerFields(asked, ['X-Mail-Bridge-Id', 'Message-ID']);
    if (fetched.kind === 'failed') return fetched.trouble.detail;
    for (const block of fetched.blocks.values()) note(block, ids, found);
    const missing = asked.filter((uid) => !fetched.blocks.has(uid));
    if (missing.length > 0) {
      const there = await selected.session.stillThere(missing);
      if (there.kind === 'failed') return there.trouble.detail;
      if (there.uids.length > 0)
        return `The server did not answer for ${there.uids.length} messages of Sent Items.`;
    }
  }
  return undefined;
}

/** Compared to the letter: attempt 1's copy proves nothing about attempt 2. */
function note(block: Uint8Array, ids: ReadonlySet<string>, found: Found): void {
  const header = readHeaders(mailText(block));
  const bridgeId = field(header, 'x-mail-bridge-id');
  if (!ids.has(bridgeId)) return;
  const messageId = messageIds(field(header, 'message-id'))[0];
  found.set(bridgeId, messageId === undefined ? {} : { messageId });
}
