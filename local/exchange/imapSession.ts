// One IMAP client, as Exchange Online treats it. Small on purpose: RFC 3501 with UIDPLUS, MOVE, IDLE, NAMESPACE,
// ID, UNSELECT, CHILDREN, LITERAL+ and SASL-IR, which is what Exchange lists, and nothing else (no CONDSTORE, no
// ENABLE, no SPECIAL-USE, no keywords): a client that leans on more must fail here too.
import type { Clock } from '../../shared/clock.ts';
import type { Accounts, TokenCheck } from './accounts.ts';
import { sameAddress } from './accounts.ts';
import { Content } from './content.ts';
import type { ExchangeLimits, ImapManners } from './exchange.ts';
import type { BeforeStep, Faults, ImapFault, ImapStep, StepInfo } from './faults.ts';
import { decodeFolderName, encodeFolderName } from './folderNames.ts';
import { contentFor } from './imapContent.ts';
import { answer, parseItems } from './imapFetch.ts';
import type { AnswerPiece, Item } from './imapFetch.ts';
import { parseSearch } from './imapSearch.ts';
import { formatSet, parseImapDate, parseSet, textOf, tokenize } from './imapSyntax.ts';
import type { NumberSet, Piece, Token } from './imapSyntax.ts';
import { View } from './imapView.ts';
import { keptFlags } from './mailStore.ts';
import type { Folder, MailboxStore, MailStore, StoredMessage } from './mailStore.ts';
import type { ConnectionRecord, ServerLog } from './serverLog.ts';
import type { Wire } from './wire.ts';
import { parseXoauth2 } from './xoauth2.ts';

const BEFORE_LOGIN =
  'IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+';
const AFTER_LOGIN = `IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT CLIENTACCESSRULES CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE CHILDREN IDLE NAMESPACE LITERAL+`;
// Exchange 2013's timeouts; Online's are unpublished.
const IDLE_BEFORE_LOGIN_MS = 60_000;
const IDLE_MS = 1_800_000;
// Literals of a command other than APPEND are names and search strings.
const SMALL_LITERAL_BYTES = 64 * 1024;
const GONE = 'Some of the requested messages no longer exist.';
const INVALID = 'BAD Command received in Invalid state.';

export interface ImapContext {
  readonly clock: Clock;
  readonly accounts: Accounts;
  readonly checkToken: TokenCheck;
  readonly limits: ExchangeLimits;
  readonly manners: ImapManners;
  readonly store: MailStore;
  readonly log: ServerLog;
  readonly faults: Faults;
  readonly beforeStep: BeforeStep | undefined;
  /** Sessions logged in, by mailbox. */
  readonly sessions: Map<string, number>;
  readonly closing: AbortSignal;
}

/** `notConnected`: authenticated, but without the mailbox · `invalid`: its token ran out. */
type State = 'fresh' | 'authenticated' | 'notConnected' | 'invalid';

/** What a command ends with: the tagged answer, or undefined where the connection has ended. */
type Answer = string | undefined;

type Command = (argument: readonly Token[]) => Promise<Answer> | Answer;

export class ImapSession {
  readonly #context: ImapContext;
  readonly #wire: Wire;
  readonly #record: ConnectionRecord;
  readonly #commands: Readonly<Record<string, Command>>;
  #state: State = 'fresh';
  #mailbox: MailboxStore | undefined;
  #view: View | undefined;
  #expiresAt = Infinity;
  /** Commands refused since the session became useless; Exchange hangs up after a few. */
  #refused = 0;
  /** LOGOUT was asked for: the connection ends after the answer. */
  #leaving = false;

  constructor(context: ImapContext, wire: Wire, record: ConnectionRecord) {
    this.#context = context;
    this.#wire = wire;
    this.#record = record;
    this.#commands = this.#table();
  }

  async run(): Promise<void> {
    if ((await this.#step('greeting')) !== 'go') return;
    await this.#untagged('OK The Microsoft Exchange IMAP4 service is ready.');
    while (!this.#wire.isGone) {
      const idleMs = this.#state === 'fresh' ? IDLE_BEFORE_LOGIN_MS : IDLE_MS;
      const line = await this.#wire.readLine(this.#context.limits.imapLineBytes, idleMs);
      if (line.kind === 'end') break;
      if (line.kind === 'idle') {
        await this.#bye('Connection is closed. 13');
        break;
      }
      if (line.kind === 'tooLong')
        await this.#send(`${line.head.toString('latin1').split(' ')[0] ?? '*'} BAD Command Error. 10\r\n`);
      else await this.#line(line.bytes.toString('latin1'));
    }
    this.#leave();
  }

  /** The connection has ended, whoever ended it. */
  #leave(): void {
    const name = this.#mailbox === undefined ? undefined : sameAddress(this.#mailbox.address);
    if (name === undefined) return;
    this.#mailbox = undefined;
    this.#context.sessions.set(name, Math.max(0, (this.#context.sessions.get(name) ?? 0) - 1));
  }

  // ---- one command ---------------------------------------------------------------------------------------

  async #line(first: string): Promise<void> {
    const [tag = '*', ...words] = first.split(' ');
    const pieces = await this.#literals(words.join(' '), tag);
    if (pieces === undefined) return;
    const [head] = pieces;
    const text = typeof head === 'string' ? head : '';
    const [, name = '', rest = ''] = /^((?:UID )?\S+) ?([^]*)$/i.exec(text) ?? [];
    const command = name.toUpperCase();
    const argument = tokenize([rest, ...pieces.slice(1)]);
    const answered = await this.#command(command, argument);
    if (answered === undefined || this.#wire.isGone) return;
    const mayExpunge = !['FETCH', 'STORE', 'SEARCH'].includes(command);
    await this.#tell(mayExpunge);
    await this.#send(`${tag} ${answered}\r\n`);
    if (this.#leaving) this.#wire.end();
  }

  /** The rest of a command whose line ends with a literal. */
  async #literals(first: string, tag: string): Promise<readonly Piece[] | undefined> {
    const pieces: Piece[] = [];
    for (let line = first; ;) {
      const [whole, size, plus] = /\{(\d+)(\+?)\}$/.exec(line) ?? [];
      if (whole === undefined) return [...pieces, line];
      const isAppend = /^append /i.test(first);
      if (Number(size) > (isAppend ? this.#context.limits.messageBytes : SMALL_LITERAL_BYTES)) {
        await this.#send(`${tag} BAD Command Error. 10\r\n`);
        // A non-synchronizing literal can't be refused: its bytes would be taken for commands.
        if (plus === '+') this.#wire.end();
        return undefined;
      }
      if (plus !== '+') await this.#send('+ Ready for additional command text.\r\n');
      const chunks: Buffer[] = [];
      for (let left = Number(size); left > 0;) {
        const some = await this.#wire.readSome(left);
        if (some === undefined) return undefined;
        chunks.push(some);
        left -= some.length;
      }
      pieces.push(line.slice(0, -whole.length), new Content(chunks));
      const next = await this.#wire.readLine(this.#context.limits.imapLineBytes);
      if (next.kind !== 'line') return undefined;
      line = next.bytes.toString('latin1');
    }
  }

  async #command(name: string, argument: readonly Token[] | undefined): Promise<Answer> {
    const course = await this.#step(name);
    if (course === 'over') return undefined;
    if (course !== 'go') return course;
    if (this.#context.clock.now() >= this.#expiresAt) await this.#expire();
    const refusal = await this.#refusal(name);
    if (refusal !== undefined) return refusal;
    const command = this.#commands[name];
    if (command === undefined) return 'BAD Command Error. 12';
    return argument === undefined ? 'BAD Command Error. 10' : command(argument);
  }

  /** What stands in the way of this command in the session's state. */
  async #refusal(name: string): Promise<Answer> {
    if (name === 'LOGOUT' || (name === 'CAPABILITY' && this.#state !== 'invalid')) return undefined;
    const isLogin = ['AUTHENTICATE', 'LOGIN'].includes(name);
    const selects = ['FETCH', 'STORE', 'SEARCH', 'COPY', 'MOVE', 'EXPUNGE', 'CLOSE', 'UNSELECT', 'CHECK'];
    switch (this.#state) {
      case 'invalid':
      case 'notConnected':
        this.#refused += 1;
        if (this.#refused > 2) await this.#bye('Connection closed. 14');
        return this.#state === 'invalid' ? INVALID : 'BAD User is authenticated but not connected.';
      case 'fresh':
        return isLogin || name === 'ID' || name === 'NOOP' ? undefined : INVALID;
      case 'authenticated':
        if (isLogin) return INVALID;
        return this.#view === undefined && selects.includes(name.replace(/^UID /, '')) ? INVALID : undefined;
    }
  }

  #table(): Readonly<Record<string, Command>> {
    const set = (argument: readonly Token[]): NumberSet | undefined => parseSet(textOf(argument[0]));
    return {
      CAPABILITY: async () => {
        await this.#untagged(`CAPABILITY ${this.#state === 'fresh' ? BEFORE_LOGIN : AFTER_LOGIN}`);
        return 'OK CAPABILITY completed.';
      },
      NOOP: () => 'OK NOOP completed.',
      CHECK: () => 'OK CHECK completed.',
      ID: async () => {
        await this.#untagged('ID ("name" "Microsoft.Exchange.Imap4.Imap4Server" "version" "15.20")');
        return 'OK ID completed';
      },
      LOGOUT: () => this.#logout(),
      LOGIN: () => 'NO LOGIN failed.',
      AUTHENTICATE: (argument) => this.#authenticate(argument),
      NAMESPACE: async () => {
        await this.#untagged('NAMESPACE (("" "/")) NIL NIL');
        return 'OK NAMESPACE completed.';
      },
      LIST: (argument) => this.#list('LIST', argument),
      LSUB: (argument) => this.#list('LSUB', argument),
      SELECT: (argument) => this.#select('SELECT', argument),
      EXAMINE: (argument) => this.#select('EXAMINE', argument),
      STATUS: (argument) => this.#status(argument),
      CREATE: (argument) => this.#create(argument),
      DELETE: (argument) => this.#delete(argument),
      RENAME: (argument) => this.#rename(argument),
      SUBSCRIBE: () => 'OK SUBSCRIBE completed.',
      UNSUBSCRIBE: () => 'OK UNSUBSCRIBE completed.',
      APPEND: (argument) => this.#append(argument),
      FETCH: (argument) => this.#fetch(set(argument), argument[1], false),
      'UID FETCH': (argument) => this.#fetch(set(argument), argument[1], true),
      STORE: (argument) => this.#store(set(argument), argument.slice(1), false),
      'UID STORE': (argument) => this.#store(set(argument), argument.slice(1), true),
      SEARCH: (argument) => this.#search(argument, false),
      'UID SEARCH': (argument) => this.#search(argument, true),
      COPY: (argument) => this.#copy(set(argument), argument[1], false, false),
      'UID COPY': (argument) => this.#copy(set(argument), argument[1], true, false),
      MOVE: (argument) => this.#copy(set(argument), argument[1], false, true),
      'UID MOVE': (argument) => this.#copy(set(argument), argument[1], true, true),
      EXPUNGE: () => this.#expunge(undefined),
      'UID EXPUNGE': (argument) => this.#expunge(set(argument) ?? []),
      CLOSE: () => this.#close(),
      UNSELECT: () => {
        this.#view = undefined;
        return 'OK UNSELECT completed.';
      },
      IDLE: () => this.#idle(),
    };
  }

  async #logout(): Promise<Answer> {
    await this.#untagged('BYE Microsoft Exchange Server IMAP4 server signing off.');
    this.#record.closedBy = 'quit';
    this.#view = undefined;
    this.#leaving = true;
    return 'OK LOGOUT completed.';
  }

  // ---- logging in ----------------------------------------------------------------------------------------

  async #authenticate(argument: readonly Token[]): Promise<Answer> {
    const failed = 'NO AUTHENTICATE failed.';
    if (textOf(argument[0])?.toUpperCase() !== 'XOAUTH2') return failed;
    const response = textOf(argument[1]) ?? (await this.#ask());
    const { accounts, checkToken, clock, sessions, limits, store } = this.#context;
    const parsed = response === undefined ? undefined : parseXoauth2(response);
    const account = parsed && accounts.byLogin(parsed.user);
    if (parsed === undefined || account === undefined) return failed;
    const verdict = await checkToken(parsed.token);
    const login = accounts.imapLogin(account, parsed.user, verdict, clock.now());
    if (login === 'refused' || verdict.kind === 'bad') return failed;
    this.#record.account = account.address;
    const name = sameAddress(account.address);
    const open = sessions.get(name) ?? 0;
    // Too many connections, too, are "authenticated but not connected".
    if (login === 'notConnected' || open >= limits.imapConnections) {
      this.#state = 'notConnected';
      return 'OK AUTHENTICATE completed.';
    }
    sessions.set(name, open + 1);
    this.#state = 'authenticated';
    this.#expiresAt = verdict.expiresAt;
    this.#mailbox = store.mailbox(account.address);
    return 'OK AUTHENTICATE completed.';
  }

  async #ask(): Promise<string | undefined> {
    await this.#send('+ \r\n');
    const line = await this.#wire.readLine(this.#context.limits.imapLineBytes, IDLE_BEFORE_LOGIN_MS);
    return line.kind === 'line' ? line.bytes.toString('latin1') : undefined;
  }

  async #expire(): Promise<void> {
    if (this.#state !== 'authenticated') return;
    this.#state = 'invalid';
    this.#view = undefined;
    this.#expiresAt = Infinity;
    await this.#untagged('BYE Session invalidated - AccessTokenExpired');
  }

  // ---- folders -------------------------------------------------------------------------------------------

  #folder(token: Token | undefined): Folder | undefined {
    return this.#mailbox?.folder(decodeFolderName(textOf(token) ?? ''));
  }

  async #list(command: string, [reference, pattern, ...more]: readonly Token[]): Promise<Answer> {
    const wanted = textOf(pattern);
    if (textOf(reference) === undefined || wanted === undefined || more.length > 0)
      return 'BAD Command Argument Error. 11';
    if (wanted === '') await this.#untagged(`${command} (\\Noselect) "/" ""`);
    const escaped = decodeFolderName(wanted).replace(/[.+?^${}()|[\]\\]/g, '\\$&');
    const matches = new RegExp(`^${escaped.replace(/\*/g, '.*').replace(/%/g, '[^/]*')}$`, 'i');
    const folders = this.#mailbox?.folders ?? [];
    for (const { name } of folders.filter((folder) => matches.test(folder.name))) {
      const children = folders.some((other) => other.name.startsWith(`${name}/`));
      const marked = name === 'INBOX' ? '\\Marked ' : '';
      await this.#untagged(
        `${command} (${marked}${children ? '\\HasChildren' : '\\HasNoChildren'}) "/" ${quoteName(name)}`,
      );
    }
    return `OK ${command} completed.`;
  }

  async #select(command: 'SELECT' | 'EXAMINE', [name]: readonly Token[]): Promise<Answer> {
    this.#view = undefined;
    const folder = this.#folder(name);
    if (folder === undefined) return noFolder(name);
    const readOnly = command === 'EXAMINE';
    const view = new View(folder, readOnly);
    this.#view = view;
    const flags = keptFlags.join(' ');
    const firstUnseen = folder.messages.findIndex((message) => !message.flags.has('\\Seen')) + 1;
    // RECENT equals EXISTS, and no \* among the permanent flags: no keyword of one's own.
    const lines = [
      `${view.size} EXISTS`,
      `${view.size} RECENT`,
      `FLAGS (${flags})`,
      `OK [PERMANENTFLAGS (${readOnly ? '' : flags})] Permanent flags`,
      ...(firstUnseen === 0 ? [] : [`OK [UNSEEN ${firstUnseen}] Is the first unseen message`]),
      `OK [UIDVALIDITY ${folder.uidValidity}] UIDVALIDITY value`,
      `OK [UIDNEXT ${folder.uidNext}] The next unique identifier value`,
    ];
    await this.#send(lines.map((line) => `* ${line}\r\n`).join(''));
    return `OK [${readOnly ? 'READ-ONLY' : 'READ-WRITE'}] ${command} completed.`;
  }

  async #status([name, asked]: readonly Token[]): Promise<Answer> {
    const folder = this.#folder(name);
    if (folder === undefined) return noFolder(name);
    const values: Readonly<Record<string, number>> = {
      MESSAGES: folder.size,
      RECENT: folder.size,
      UIDNEXT: folder.uidNext,
      UIDVALIDITY: folder.uidValidity,
      UNSEEN: folder.messages.filter((message) => !message.flags.has('\\Seen')).length,
    };
    const items = asked?.kind === 'list' ? asked.items.map((item) => textOf(item)?.toUpperCase() ?? '') : [];
    if (items.length === 0 || items.some((item) => values[item] === undefined))
      return 'BAD Command Argument Error. 11';
    const told = items.map((item) => `${item} ${values[item] ?? 0}`).join(' ');
    await this.#untagged(`STATUS ${quoteName(folder.name)} (${told})`);
    return 'OK STATUS completed.';
  }

  #create([name]: readonly Token[]): Answer {
    const text = decodeFolderName(textOf(name) ?? '').replace(/\/$/, '');
    if (text === '') return 'BAD Command Argument Error. 11';
    if (this.#mailbox?.folder(text) !== undefined) return `NO ${encodeFolderName(text)} already exists.`;
    this.#mailbox?.create(text);
    return 'OK CREATE completed.';
  }

  #delete([name]: readonly Token[]): Answer {
    const folder = this.#folder(name);
    if (folder === undefined) return noFolder(name);
    if (folder.name === 'INBOX') return 'NO INBOX cannot be deleted.';
    this.#mailbox?.delete(folder.name);
    return 'OK DELETE completed.';
  }

  #rename([from, to]: readonly Token[]): Answer {
    const folder = this.#folder(from);
    if (folder === undefined) return noFolder(from);
    const done = this.#mailbox?.rename(folder.name, decodeFolderName(textOf(to) ?? ''));
    return done === true ? 'OK RENAME completed.' : 'NO RENAME failed.';
  }

  #append([name, ...rest]: readonly Token[]): Answer {
    const folder = this.#folder(name);
    if (folder === undefined) return noFolder(name).replace('NO ', 'NO [TRYCREATE] ');
    const literal = rest.at(-1);
    if (literal?.kind !== 'literal') return 'BAD Command Argument Error. 11';
    const flags =
      rest.find((token) => token.kind === 'list')?.items.map((token) => textOf(token) ?? '') ?? [];
    const date = rest.flatMap((token) => (token.kind === 'text' ? [parseImapDate(token.value)] : [])).at(0);
    const internalDate = date ?? this.#context.clock.now();
    const { uid } = folder.add({ content: literal.content, internalDate, flags: new Set(flags) });
    return `OK [APPENDUID ${folder.uidValidity} ${uid}] APPEND completed.`;
  }

  // ---- messages ------------------------------------------------------------------------------------------

  async #fetch(set: NumberSet | undefined, asked: Token | undefined, byUid: boolean): Promise<Answer> {
    const items = parseItems(asked);
    const view = this.#view;
    if (set === undefined || items === undefined || view === undefined)
      return 'BAD Command Argument Error. 11';
    const wanted: readonly Item[] =
      byUid && !items.some(({ kind }) => kind === 'UID') ? [...items, { kind: 'UID' }] : items;
    if (view.folder.gone) return `NO ${view.folder.name} doesn't exist.`;
    let missing = false;
    let unreadable = false;
    for (const { sequence, uid } of view.named(set, byUid)) {
      const told = await this.#message(uid);
      if (told === 'over') return undefined;
      if (told !== 'go' && typeof told === 'string') return told;
      const message = view.folder.message(uid);
      if (message === undefined) missing = true;
      else if (message.unreadable === 'refused' && readsContent(wanted)) unreadable = true;
      else {
        const cutAfter = typeof told === 'object' ? (told.afterBytes ?? 0) : Infinity;
        await this.#show(sequence, message, wanted, cutAfter);
      }
      if (this.#wire.isGone) return undefined;
    }
    if (unreadable) return 'NO The requested message could not be converted to an RFC-822 compatible format.';
    return missing ? `NO ${GONE}` : `OK ${byUid ? 'UID ' : ''}FETCH completed.`;
  }

  /** The rules for one message of a FETCH: go on, end the command with an answer, or cut within this message. */
  async #message(uid: number): Promise<string | { readonly afterBytes?: number }> {
    const info = { ...this.#info(), uid };
    if ((await this.#context.beforeStep?.('message', info)) === 'cut') {
      this.#wire.cut();
      return 'over';
    }
    if (this.#context.clock.now() >= this.#expiresAt) {
      await this.#expire();
      return INVALID;
    }
    const fault = this.#context.faults.imap('message', info);
    if (fault === undefined) return 'go';
    if (fault.kind === 'vanish') {
      this.#view?.folder.remove(uid);
      return 'go';
    }
    return fault.kind === 'cut' ? fault : this.#act(fault);
  }

  async #show(
    sequence: number,
    stored: StoredMessage,
    items: readonly Item[],
    cutAfterBytes: number,
  ): Promise<void> {
    const { manners } = this.#context;
    const view = this.#view;
    let message = stored;
    let shown = items;
    const reads = items.some((item) => item.kind === 'section' && !item.peek);
    if (reads && view?.readOnly === false && !stored.flags.has('\\Seen')) {
      view.folder.setFlags(stored.uid, [...stored.flags, '\\Seen']);
      message = view.folder.message(stored.uid) ?? stored;
      view.acknowledge(sequence, message);
      if (!items.some(({ kind }) => kind === 'FLAGS')) shown = [...items, { kind: 'FLAGS' }];
    }
    const content = readsContent(items)
      ? contentFor(message, this.#record.number, manners.rebuild)
      : message.content;
    await this.#pieces(`* ${sequence} FETCH (`, answer(shown, message, content, manners), cutAfterBytes);
  }

  /** Writes the pieces of an answer; small ones together, large literals from where they lie. */
  async #pieces(head: string, pieces: readonly AnswerPiece[], cutAfterBytes: number): Promise<void> {
    let text = head;
    for (const [at, piece] of pieces.entries()) {
      text += at === 0 ? '' : ' ';
      if (typeof piece === 'string') {
        text += piece;
        continue;
      }
      text += `${piece.label} {${piece.content.sizeBytes}}\r\n`;
      if (piece.content.sizeBytes <= SMALL_LITERAL_BYTES && cutAfterBytes === Infinity) {
        text += piece.content.buffer().toString('latin1');
        continue;
      }
      await this.#send(text);
      text = '';
      for (const slice of piece.content.slices(0, Math.min(piece.content.sizeBytes, cutAfterBytes))) {
        await this.#wire.write(slice);
      }
      if (cutAfterBytes !== Infinity) break;
    }
    if (cutAfterBytes === Infinity) await this.#send(`${text})\r\n`);
    else this.#wire.end();
  }

  async #store(
    set: NumberSet | undefined,
    [how, ...flagTokens]: readonly Token[],
    byUid: boolean,
  ): Promise<Answer> {
    const [, sign, silent] = /^([+-]?)FLAGS(\.SILENT)?$/i.exec(textOf(how) ?? '') ?? [];
    const view = this.#view;
    if (set === undefined || sign === undefined || view === undefined)
      return 'BAD Command Argument Error. 11';
    if (view.readOnly) return 'NO The folder is read-only.';
    const listed = flagTokens.flatMap((token) => (token.kind === 'list' ? token.items : [token]));
    const flags = listed.map((token) => textOf(token)?.toLowerCase() ?? '');
    let missing = false;
    for (const { sequence, uid } of view.named(set, byUid)) {
      const before = view.folder.message(uid);
      if (before === undefined) {
        missing = true;
        continue;
      }
      const kept = [...before.flags].filter(
        (flag) => sign === '+' || (sign === '-' && !flags.includes(flag.toLowerCase())),
      );
      view.folder.setFlags(uid, sign === '-' ? kept : [...kept, ...flags]);
      const after = view.folder.message(uid) ?? before;
      view.acknowledge(sequence, after);
      if (silent === undefined)
        await this.#untagged(`${sequence} FETCH (FLAGS (${[...after.flags].join(' ')}) UID ${uid})`);
    }
    return missing ? `NO ${GONE}` : `OK ${byUid ? 'UID ' : ''}STORE completed.`;
  }

  async #search(tokens: readonly Token[], byUid: boolean): Promise<Answer> {
    const view = this.#view;
    if (view === undefined) return INVALID;
    if (view.folder.gone) return `NO ${view.folder.name} doesn't exist.`;
    const test = parseSearch(tokens, {
      maxSequence: view.size,
      maxUid: view.all().at(-1)?.uid ?? 0,
      headersFindNothing: this.#context.manners.headerSearchFindsNothing,
    });
    if (test === undefined) return 'BAD Command Argument Error. 11';
    const found: number[] = [];
    for (const { sequence, uid } of view.all()) {
      const message = view.folder.message(uid);
      if (message !== undefined && test({ sequence, message })) found.push(byUid ? uid : sequence);
    }
    await this.#untagged(['SEARCH', ...found].join(' '));
    return `OK ${byUid ? 'UID ' : ''}SEARCH completed.`;
  }

  async #copy(
    set: NumberSet | undefined,
    name: Token | undefined,
    byUid: boolean,
    move: boolean,
  ): Promise<Answer> {
    const view = this.#view;
    const command = `${byUid ? 'UID ' : ''}${move ? 'MOVE' : 'COPY'}`;
    if (set === undefined || view === undefined) return 'BAD Command Argument Error. 11';
    const target = this.#folder(name);
    if (target === undefined) return noFolder(name).replace('NO ', 'NO [TRYCREATE] ');
    if (move && view.readOnly) return 'NO The folder is read-only.';
    const from: number[] = [];
    const to: number[] = [];
    let missing = false;
    for (const { uid } of view.named(set, byUid)) {
      const message = view.folder.message(uid);
      if (message === undefined) {
        missing = true;
        continue;
      }
      to.push(target.add(message).uid);
      from.push(uid);
      if (move) view.folder.remove(uid);
    }
    if (from.length === 0) return missing ? `NO ${GONE}` : `OK ${command} completed.`;
    const code = `[COPYUID ${target.uidValidity} ${formatSet(from)} ${formatSet(to)}]`;
    // RFC 6851 4.3: MOVE tells its COPYUID before the EXPUNGE answers.
    if (move) await this.#untagged(`OK ${code}`);
    if (missing) return `NO ${GONE}`;
    return move ? `OK ${command} completed.` : `OK ${code} ${command} completed.`;
  }

  #expunge(only: NumberSet | undefined): Answer {
    const view = this.#view;
    if (view === undefined) return INVALID;
    if (view.readOnly) return 'NO The folder is read-only.';
    for (const { uid } of only === undefined ? view.all() : view.named(only, true)) {
      if (view.folder.message(uid)?.flags.has('\\Deleted') === true) view.folder.remove(uid);
    }
    return `OK ${only === undefined ? '' : 'UID '}EXPUNGE completed.`;
  }

  #close(): Answer {
    if (this.#view?.readOnly === false) this.#expunge(undefined);
    this.#view = undefined;
    return 'OK CLOSE completed.';
  }

  // ---- IDLE ----------------------------------------------------------------------------------------------

  async #idle(): Promise<Answer> {
    const { clock } = this.#context;
    await this.#send('+ IDLE accepted, awaiting DONE command.\r\n');
    const over = new AbortController();
    const untilGone = AbortSignal.any([over.signal, this.#wire.gone]);
    const end = this.#view?.folder.onChange(() => void this.#tell(true));
    void this.#tell(true);
    if (this.#expiresAt !== Infinity) {
      void clock
        .sleep(this.#expiresAt - clock.now(), untilGone)
        .then(() => (untilGone.aborted ? undefined : this.#expire()));
    }
    const fault = this.#context.faults.imap('idle', this.#info());
    if (fault !== undefined) await this.#act(fault);
    const line = await this.#wire.readLine(this.#context.limits.imapLineBytes, IDLE_MS);
    over.abort();
    end?.();
    if (line.kind !== 'line') return undefined;
    if (this.#state === 'invalid') return INVALID;
    return line.bytes.toString('latin1').toUpperCase() === 'DONE'
      ? 'OK IDLE completed.'
      : 'BAD Command Error. 12';
  }

  // ---- telling -------------------------------------------------------------------------------------------

  /** Tells what others did in the selected folder; a new UIDVALIDITY ends the session. */
  async #tell(mayExpunge: boolean): Promise<void> {
    const view = this.#view;
    if (view === undefined) return;
    if (view.folder.uidValidity !== view.uidValidity) {
      this.#view = undefined;
      await this.#bye('Connection is closed. 13');
      return;
    }
    const lines = view.sync(mayExpunge);
    if (lines.length > 0) await this.#send(lines.map((line) => `${line}\r\n`).join(''));
  }

  /** The rules for a step. `over`: the connection has ended; `go`: as usual; else the tagged answer. */
  async #step(step: ImapStep): Promise<string> {
    const info = this.#info();
    if ((await this.#context.beforeStep?.(step, info)) === 'cut') {
      this.#wire.cut();
      return 'over';
    }
    const { faults } = this.#context;
    const isCommand = step !== 'greeting' && step !== 'connect';
    const fault = faults.imap(step, info) ?? (isCommand ? faults.imap('command', info) : undefined);
    return fault === undefined ? 'go' : this.#act(fault);
  }

  async #act(fault: ImapFault): Promise<string> {
    const { clock, closing } = this.#context;
    switch (fault.kind) {
      case 'cut':
        this.#wire.cut();
        return 'over';
      case 'hang':
        await clock.sleep(fault.forMs ?? 2 ** 31 - 1, this.#wire.gone);
        return this.#wire.isGone ? 'over' : 'go';
      case 'delay':
        await clock.sleep(fault.ms, closing);
        return 'go';
      case 'answer':
        return `${fault.status} ${fault.text}`;
      case 'throttle':
        return `${fault.status ?? 'BAD'} Request is throttled. Suggested Backoff Time: ${fault.backoffMs} milliseconds`;
      case 'bye':
        await this.#bye(fault.text);
        return 'over';
      case 'line':
        await this.#send(`${fault.text}\r\n`);
        return 'go';
      case 'expire':
        await this.#expire();
        return INVALID;
      case 'vanish':
        return 'go';
    }
  }

  #info(): StepInfo {
    const account = this.#record.account;
    return {
      protocol: 'imap',
      connection: this.#record.number,
      ...(account === undefined ? {} : { account: sameAddress(account) }),
      ...(this.#view === undefined ? {} : { folder: this.#view.folder.name }),
    };
  }

  async #untagged(text: string): Promise<void> {
    await this.#send(`* ${text}\r\n`);
  }

  async #bye(text: string): Promise<void> {
    await this.#untagged(`BYE ${text}`);
    this.#wire.end();
  }

  async #send(text: string): Promise<void> {
    await this.#wire.write(text);
  }
}

function readsContent(items: readonly Item[]): boolean {
  return items.some(({ kind }) => !['UID', 'FLAGS', 'INTERNALDATE', 'RFC822.SIZE'].includes(kind));
}

function noFolder(name: Token | undefined): string {
  return `NO ${textOf(name) ?? ''} doesn't exist.`;
}

function quoteName(name: string): string {
  const encoded = encodeFolderName(name);
  return /^[\w&,-]+$/.test(encoded) ? encoded : `"${encoded.replace(/["\\]/g, '\\$&')}"`;
}
