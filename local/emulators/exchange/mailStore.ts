// The mail behind both protocols: what SMTP files, IMAP shows. Folders know nothing of sessions; each session
// keeps its own view and compares it with the folder (imapView.ts), as RFC 3501 5.5 has it.
import type { Clock } from '../../../shared/clock.ts';
import { sameAddress } from './accounts.ts';
import type { Language } from './accounts.ts';
import { Content } from './content.ts';
import { folderNames } from './folderNames.ts';
import type { FolderRole } from './folderNames.ts';

/** The only flags that Exchange Online keeps: no keyword of one's own survives. */
export const keptFlags = ['\\Seen', '\\Answered', '\\Flagged', '\\Deleted', '\\Draft', '$MDNSent'] as const;

export interface StoredMessage {
  readonly uid: number;
  readonly content: Content;
  /** UTC milliseconds. */
  readonly internalDate: number;
  readonly flags: ReadonlySet<string>;
  readonly unreadable?: Unreadable;
}

/**
 * Exchange cannot convert every item: `refused` answers NO to any FETCH of its content, `placeholder` gives the text that
 * Exchange puts in its place. Servers were also seen to answer with nothing (`empty`: a literal of no bytes, `emptyString`,
 * `nil`), with a lone line end (`lineEnd`) or with the first third (`truncated`).
 */
export type Unreadable =
  'refused' | 'placeholder' | 'empty' | 'emptyString' | 'nil' | 'lineEnd' | 'truncated';

export interface DeliverOptions {
  readonly folder?: string;
  readonly flags?: readonly string[];
  readonly internalDate?: number;
  readonly unreadable?: Unreadable;
}

export class Folder {
  name: string;
  uidValidity: number;
  uidNext = 1;
  /** Removed while sessions may have it selected. */
  gone = false;
  readonly #messages = new Map<number, StoredMessage>();
  readonly #listeners = new Set<() => void>();
  /** The UID of each change, in their order: a number a change, for the life of a test or a demo. */
  readonly #changes: number[] = [];

  constructor(name: string, uidValidity: number) {
    this.name = name;
    this.uidValidity = uidValidity;
  }

  /** In UID order. */
  get messages(): readonly StoredMessage[] {
    return [...this.#messages.values()];
  }

  get size(): number {
    return this.#messages.size;
  }

  /** How many changes there have been. */
  get revision(): number {
    return this.#changes.length;
  }

  /** The UIDs that changed since that revision, some perhaps more than once. */
  changedSince(revision: number): readonly number[] {
    return this.#changes.slice(revision);
  }

  message(uid: number): StoredMessage | undefined {
    return this.#messages.get(uid);
  }

  add(message: Omit<StoredMessage, 'uid'>): StoredMessage {
    const stored = { ...message, flags: kept(message.flags), uid: this.uidNext };
    this.uidNext += 1;
    this.#messages.set(stored.uid, stored);
    this.#changed(stored.uid);
    return stored;
  }

  /** Sets flags; those that Exchange does not keep are left out. False if the message is gone. */
  setFlags(uid: number, flags: Iterable<string>): boolean {
    const message = this.#messages.get(uid);
    if (message === undefined) return false;
    this.#messages.set(uid, { ...message, flags: kept(flags) });
    this.#changed(uid);
    return true;
  }

  remove(uid: number): boolean {
    const removed = this.#messages.delete(uid);
    if (removed) this.#changed(uid);
    return removed;
  }

  /** A new generation of UIDs, as after a mailbox move: numbers are dealt anew from `firstUid`, in order. */
  renumber(uidValidity: number, firstUid = 1): void {
    const all = this.messages;
    this.#messages.clear();
    this.uidValidity = uidValidity;
    this.uidNext = firstUid;
    for (const message of all) {
      this.#messages.set(this.uidNext, { ...message, uid: this.uidNext });
      this.uidNext += 1;
    }
    this.#changed(0);
  }

  /** The folder is taken away. */
  close(): void {
    this.gone = true;
    this.#changed(0);
  }

  #changed(uid: number): void {
    this.#changes.push(uid);
    for (const listener of this.#listeners) listener();
  }

  /** Calls back after every change; returns what ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

export class MailboxStore {
  readonly address: string;
  readonly language: Language;
  readonly #folders = new Map<string, Folder>();
  readonly #clock: Clock;
  // Exchange's UIDVALIDITY is a small number (14 in one log), another one for each folder.
  #nextUidValidity = 14;

  constructor(address: string, language: Language, clock: Clock) {
    this.address = address;
    this.language = language;
    this.#clock = clock;
    for (const name of Object.values(folderNames[language])) this.create(name);
  }

  get folders(): readonly Folder[] {
    return [...this.#folders.values()];
  }

  folder(name: string): Folder | undefined {
    return this.#folders.get(key(name));
  }

  role(role: FolderRole): Folder {
    const name = folderNames[this.language][role];
    return this.folder(name) ?? this.create(name);
  }

  create(name: string): Folder {
    const folder = new Folder(name, this.#nextUidValidity);
    this.#nextUidValidity += 1;
    this.#folders.set(key(name), folder);
    return folder;
  }

  /** Deletes the folder, even if a session has it selected. */
  delete(name: string): boolean {
    const folder = this.folder(name);
    if (folder === undefined) return false;
    this.#folders.delete(key(name));
    folder.close();
    return true;
  }

  rename(name: string, newName: string): boolean {
    const folder = this.folder(name);
    if (folder === undefined || this.folder(newName) !== undefined) return false;
    this.#folders.delete(key(name));
    folder.name = newName;
    this.#folders.set(key(newName), folder);
    return true;
  }

  /** Puts a message into a folder (the inbox unless named, made if need be). */
  deliver(bytes: Content | string | Uint8Array, options: DeliverOptions = {}): StoredMessage {
    const { folder: name = 'INBOX', flags = [], internalDate = this.#clock.now(), unreadable } = options;
    const folder = this.folder(name) ?? this.create(name);
    return folder.add({
      content: bytes instanceof Content ? bytes : Content.of(bytes),
      internalDate,
      flags: new Set(flags),
      ...(unreadable === undefined ? {} : { unreadable }),
    });
  }
}

export class MailStore {
  readonly #mailboxes = new Map<string, MailboxStore>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(address: string, language: Language = 'en'): MailboxStore {
    const mailbox = new MailboxStore(address, language, this.#clock);
    this.#mailboxes.set(sameAddress(address), mailbox);
    return mailbox;
  }

  /** The mailbox of that address, or undefined if there is none. */
  find(address: string): MailboxStore | undefined {
    return this.#mailboxes.get(sameAddress(address));
  }

  /** The mailbox of that address; throws if there is none. */
  mailbox(address: string): MailboxStore {
    const mailbox = this.find(address);
    if (mailbox === undefined) throw new Error(`The emulator has no mailbox ${address}`);
    return mailbox;
  }
}

/** INBOX in any case is the inbox (RFC 3501 5.1); Exchange folds the case of the others too. */
function key(name: string): string {
  return name.toLowerCase();
}

function kept(flags: Iterable<string>): ReadonlySet<string> {
  const asked = new Set([...flags].map((flag) => flag.toLowerCase()));
  return new Set(keptFlags.filter((flag) => asked.has(flag.toLowerCase())));
}
