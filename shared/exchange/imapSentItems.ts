// The look into Sent Items, which settles what became of a message that was handed over without an answer.
//
// Exchange files a copy of every SMTP submission in Sent Items of the mailbox that logged in (with Send As not in the
// sender's). A header search is only a hint on several servers, so the private header of every candidate is
// fetched and compared; the server is asked for dates only. A look counts as made only when the header of every
// candidate in every folder was read: anything less says nothing about a copy that is not there.
import { field, mailText, messageIds, readHeaders } from '../mail/headers.ts';
import type { Account, Mailbox } from '../mail/mailbox.ts';
import type { Budget, LookResult, SentItems, Wanted } from '../outbound/ports.ts';
import type { ImapConnection, ImapFolder, ImapLogin } from './imapMailbox.ts';

type Found = Map<string, { readonly messageId?: string }>;
/** Why a look could not be made. */
type NotMade = string | undefined;

/** The server's clock may differ by so much, and SEARCH knows days of an unknown time zone. */
const clockSlackMs = 60 * 60_000;
const daySlackMs = 24 * 60 * 60_000;
/** Two busy days of one account; more is not looked through within a pass. */
const candidateLimit = 100_000;
const batchCount = 200;
const folderLimit = 4;

/** What the folder is called where the server has no SPECIAL-USE (Exchange Online has none). In lower case. */
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
    async look(account, mailbox, wanted, budget) {
      const found: Found = new Map();
      if (wanted.length === 0) return { kind: 'looked', found };
      for (const place of placesOf(account, mailbox)) {
        const detail = await lookInto(login, place, { wanted, found, budget });
        // A copy that was found settles its message even when another mailbox could not be read.
        if (wanted.every(({ bridgeId }) => found.has(bridgeId))) break;
        if (detail !== undefined) return { kind: 'notMade', detail } satisfies LookResult;
      }
      return { kind: 'looked', found };
    },
  };
}

interface Place {
  /** Whose grant opens the connection. */
  readonly mailbox: Mailbox;
  readonly user: string;
}

/** The account's own mailbox first: that is where Exchange files the copy. Then the sender's, where it is another. */
function placesOf(account: Account, mailbox: Mailbox): readonly Place[] {
  const same = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase();
  const own = account.mailboxes.find(({ imapUser }) => same(imapUser, account.user)) ?? account.mailboxes[0];
  const first = { mailbox: own, user: account.user };
  if (same(mailbox.imapUser, account.user)) return [first];
  return [first, { mailbox, user: mailbox.imapUser }];
}

interface Look {
  readonly wanted: readonly Wanted[];
  readonly found: Found;
  readonly budget: Budget;
}

async function lookInto(login: ImapLogin, place: Place, look: Look): Promise<NotMade> {
  const answer = await login(place.mailbox, place.user, look.budget);
  if (answer.kind === 'failed') return answer.trouble.detail;
  const { connection } = answer;
  try {
    const listed = await connection.folders();
    if (listed.kind === 'failed') return listed.trouble.detail;
    const folders = sentFolders(listed.folders);
    if (folders.length === 0)
      return 'No folder of this mailbox is called Sent Items in any language that is known.';
    for (const { path } of folders) {
      const detail = await lookThrough(connection, path, look);
      if (detail !== undefined) return detail;
    }
    return undefined;
  } finally {
    await connection.close();
  }
}

export function sentFolders(folders: readonly ImapFolder[]): readonly ImapFolder[] {
  const marked = folders.filter(({ specialUse }) => specialUse === '\\Sent');
  const named = folders.filter(({ name }) => sentNames.has(name.trim().toLowerCase()));
  return (marked.length > 0 ? marked : named).slice(0, folderLimit);
}

async function lookThrough(connection: ImapConnection, path: string, look: Look): Promise<NotMade> {
  const selected = await connection.select(path, true);
  if (selected.kind === 'failed') return selected.trouble.detail;
  const oldest = Math.min(...look.wanted.map(({ notBefore }) => notBefore));
  const searched = await connection.searchSince(Math.max(0, oldest - clockSlackMs - daySlackMs));
  if (searched.kind === 'failed') return searched.trouble.detail;
  // The newest first: the copy is most likely among them.
  const candidates = searched.uids.toReversed();
  if (candidates.length > candidateLimit) {
    return `Sent Items holds ${candidates.length} messages since then, more than can be looked through.`;
  }
  const ids = new Set(look.wanted.map(({ bridgeId }) => bridgeId));
  for (let at = 0; at < candidates.length; at += batchCount) {
    if ([...ids].every((id) => look.found.has(id))) return undefined;
    const asked = candidates.slice(at, at + batchCount);
    const fetched = await connection.headerFields(asked, ['X-Mail-Bridge-Id', 'Message-ID']);
    if (fetched.kind === 'failed') return fetched.trouble.detail;
    for (const block of fetched.blocks.values()) note(block, ids, look.found);
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
