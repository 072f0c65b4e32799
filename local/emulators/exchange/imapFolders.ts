// The commands about folders (RFC 3501 6.3): LIST, SELECT's answers, STATUS, CREATE, DELETE, RENAME, APPEND.
import { decodeFolderName, encodeFolderName } from './folderNames.ts';
import { argumentError, noFolder, noTarget, plainly } from './imapOutcome.ts';
import type { Outcome } from './imapOutcome.ts';
import { parseImapDate, textOf } from './imapSyntax.ts';
import type { Token } from './imapSyntax.ts';
import { keptFlags } from './mailStore.ts';
import type { Folder, MailboxStore } from './mailStore.ts';

/** The folder that a token names, in modified UTF-7. */
export function folderOf(mailbox: MailboxStore, token: Token | undefined): Folder | undefined {
  return mailbox.folder(decodeFolderName(textOf(token) ?? ''));
}

/** LIST and LSUB without the extensions: Exchange has no SPECIAL-USE and no LIST-EXTENDED. */
export function list(mailbox: MailboxStore, command: 'LIST' | 'LSUB', argument: readonly Token[]): Outcome {
  const [reference, pattern, ...more] = argument;
  const wanted = textOf(pattern);
  if (textOf(reference) === undefined || wanted === undefined || more.length > 0) return argumentError;
  const answer = `OK ${command} completed.`;
  if (wanted === '') return { untagged: [`${command} (\\Noselect) "/" ""`], answer };
  const escaped = decodeFolderName(wanted).replace(/[.+?^${}()|[\]\\]/g, '\\$&');
  const matches = new RegExp(`^${escaped.replace(/\*/g, '.*').replace(/%/g, '[^/]*')}$`, 'i');
  const untagged = mailbox.folders
    .filter(({ name }) => matches.test(name))
    .map(({ name }) => {
      const children = mailbox.folders.some((other) => other.name.startsWith(`${name}/`));
      const marked = name === 'INBOX' ? '\\Marked ' : '';
      return `${command} (${marked}${children ? '\\HasChildren' : '\\HasNoChildren'}) "/" ${quoteName(name)}`;
    });
  return { untagged, answer };
}

/** The responses of SELECT and EXAMINE. RECENT equals EXISTS; no \* among the permanent flags, so no custom keywords. */
export function selected(folder: Folder, command: 'SELECT' | 'EXAMINE'): Outcome {
  const readOnly = command === 'EXAMINE';
  const flags = keptFlags.join(' ');
  const firstUnseen = folder.messages.findIndex((message) => !message.flags.has('\\Seen')) + 1;
  return {
    untagged: [
      `${folder.size} EXISTS`,
      `${folder.size} RECENT`,
      `FLAGS (${flags})`,
      `OK [PERMANENTFLAGS (${readOnly ? '' : flags})] Permanent flags`,
      ...(firstUnseen === 0 ? [] : [`OK [UNSEEN ${firstUnseen}] Is the first unseen message`]),
      `OK [UIDVALIDITY ${folder.uidValidity}] UIDVALIDITY value`,
      `OK [UIDNEXT ${folder.uidNext}] The next unique identifier value`,
    ],
    answer: `OK [${readOnly ? 'READ-ONLY' : 'READ-WRITE'}] ${command} completed.`,
  };
}

export function status(mailbox: MailboxStore, [name, asked]: readonly Token[]): Outcome {
  const folder = folderOf(mailbox, name);
  if (folder === undefined) return plainly(noFolder(name));
  const values: Readonly<Record<string, number>> = {
    MESSAGES: folder.size,
    RECENT: folder.size,
    UIDNEXT: folder.uidNext,
    UIDVALIDITY: folder.uidValidity,
    UNSEEN: folder.messages.filter((message) => !message.flags.has('\\Seen')).length,
  };
  const items = asked?.kind === 'list' ? asked.items.map((item) => textOf(item)?.toUpperCase() ?? '') : [];
  if (items.length === 0 || items.some((item) => values[item] === undefined)) return argumentError;
  const counts = items.map((item) => `${item} ${values[item] ?? 0}`).join(' ');
  return { untagged: [`STATUS ${quoteName(folder.name)} (${counts})`], answer: 'OK STATUS completed.' };
}

export function create(mailbox: MailboxStore, [name]: readonly Token[]): Outcome {
  const text = decodeFolderName(textOf(name) ?? '').replace(/\/$/, '');
  if (text === '') return argumentError;
  if (mailbox.folder(text) !== undefined) return plainly(`NO ${encodeFolderName(text)} already exists.`);
  mailbox.create(text);
  return plainly('OK CREATE completed.');
}

export function remove(mailbox: MailboxStore, [name]: readonly Token[]): Outcome {
  const folder = folderOf(mailbox, name);
  if (folder === undefined) return plainly(noFolder(name));
  if (folder.name === 'INBOX') return plainly('NO INBOX cannot be deleted.');
  mailbox.delete(folder.name);
  return plainly('OK DELETE completed.');
}

export function rename(mailbox: MailboxStore, [from, to]: readonly Token[]): Outcome {
  const folder = folderOf(mailbox, from);
  if (folder === undefined) return plainly(noFolder(from));
  const done = mailbox.rename(folder.name, decodeFolderName(textOf(to) ?? ''));
  return plainly(done ? 'OK RENAME completed.' : 'NO RENAME failed.');
}

export function append(mailbox: MailboxStore, [name, ...rest]: readonly Token[], now: number): Outcome {
  const folder = folderOf(mailbox, name);
  if (folder === undefined) return noTarget(name);
  const literal = rest.at(-1);
  if (literal?.kind !== 'literal') return argumentError;
  const flags = rest.find((token) => token.kind === 'list')?.items.map((token) => textOf(token) ?? '') ?? [];
  const date = rest.flatMap((token) => (token.kind === 'text' ? [parseImapDate(token.value)] : [])).at(0);
  const { uid } = folder.add({ content: literal.content, internalDate: date ?? now, flags: new Set(flags) });
  return plainly(`OK [APPENDUID ${folder.uidValidity} ${uid}] APPEND completed.`);
}

function quoteName(name: string): string {
  const encoded = encodeFolderName(name);
  return /^[\w&,-]+$/.test(encoded) ? encoded : `"${encoded.replace(/["\\]/g, '\\$&')}"`;
}
