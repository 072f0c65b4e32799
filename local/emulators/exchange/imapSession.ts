// One IMAP client, as Exchange Online treats it. Small on purpose: RFC 3501 with UIDPLUS, MOVE, IDLE, NAMESPACE,
// ID, UNSELECT, CHILDREN, LITERAL+ and SASL-IR, which is what Exchange lists, and nothing else (no CONDSTORE, no
// ENABLE, no SPECIAL-USE, no keywords): a client that relies on more must fail here too.
import type { Clock } from '../../../shared/clock.ts';
import type { Accounts, TokenCheck } from './accounts.ts';
import { sameAddress } from './accounts.ts';
import { Content } from './content.ts';
import type { ExchangeLimits, ImapQuirks } from './quirks.ts';
import type { BeforeStep, Faults, ImapFault, ImapStep, StepInfo } from './faults.ts';
import { fetch } from './imapFetchCommand.ts';
import type { MessageCourse } from './imapFetchCommand.ts';
import * as folders from './imapFolders.ts';
import * as messages from './imapMessages.ts';
import { invalidState, noFolder, plainly } from './imapOutcome.ts';
import type { Outcome } from './imapOutcome.ts';
import { textOf, tokenize } from './imapSyntax.ts';
import type { Piece, Token } from './imapSyntax.ts';
import { View } from './imapView.ts';
import type { MailboxStore, MailStore } from './mailStore.ts';
import type { ConnectionRecord, ServerLog } from './serverLog.ts';
import type { Wire } from './wire.ts';
import { parseXoauth2 } from './xoauth2.ts';

const capabilitiesBeforeLogin =
  'IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+';
const capabilitiesAfterLogin = `IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT CLIENTACCESSRULES CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE CHILDREN IDLE NAMESPACE LITERAL+`;
// Exchange 2013's timeouts; Online's are unpublished.
const idleBeforeLoginMs = 60_000;
const idleLimitMs = 1_800_000;
// Literals of a command other than APPEND are names and search strings.
const smallLiteralBytes = 64 * 1024;

export interface ImapContext {
  readonly clock: Clock;
  readonly accounts: Accounts;
  readonly checkToken: TokenCheck;
  readonly limits: ExchangeLimits;
  readonly quirks: ImapQuirks;
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

/** Undefined if the connection has ended. */
type Command = (argument: readonly Token[]) => Outcome | undefined | Promise<Outcome | undefined>;

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
      const idleMs = this.#state === 'fresh' ? idleBeforeLoginMs : idleLimitMs;
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

  /** The connection has ended, on either side. */
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
    const outcome = await this.#command(command, argument);
    if (outcome === undefined || this.#wire.isGone) return;
    if (outcome.untagged.length > 0)
      await this.#send(outcome.untagged.map((line) => `* ${line}\r\n`).join(''));
    const mayExpunge = !['FETCH', 'STORE', 'SEARCH'].includes(command);
    await this.#reportChanges(mayExpunge);
    await this.#send(`${tag} ${outcome.answer}\r\n`);
    if (this.#leaving) this.#wire.end();
  }

  /** The rest of a command whose line ends with a literal. */
  async #literals(first: string, tag: string): Promise<readonly Piece[] | undefined> {
    const pieces: Piece[] = [];
    for (let line = first; ;) {
      const [whole, size, plus] = /\{(\d+)(\+?)\}$/.exec(line) ?? [];
      if (whole === undefined) return [...pieces, line];
      const isAppend = /^append /i.test(first);
      if (Number(size) > (isAppend ? this.#context.limits.messageBytes : smallLiteralBytes)) {
        await this.#send(`${tag} BAD Command Error. 10\r\n`);
        // A non-synchronizing literal cannot be refused: its bytes would be taken for commands.
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

  async #command(name: string, argument: readonly Token[] | undefined): Promise<Outcome | undefined> {
    const course = await this.#step(name);
    if (course === 'over') return undefined;
    if (course !== 'go') return plainly(course);
    if (this.#context.clock.now() >= this.#expiresAt) await this.#expire();
    const refusal = await this.#refusal(name);
    if (refusal !== undefined) return plainly(refusal);
    const command = this.#commands[name];
    if (command === undefined) return plainly('BAD Command Error. 12');
    return argument === undefined ? plainly('BAD Command Error. 10') : command(argument);
  }

  /** The refusal of a command that is invalid in the session's state. */
  async #refusal(name: string): Promise<string | undefined> {
    if (name === 'LOGOUT' || (name === 'CAPABILITY' && this.#state !== 'invalid')) return undefined;
    const isLogin = ['AUTHENTICATE', 'LOGIN'].includes(name);
    const selects = ['FETCH', 'STORE', 'SEARCH', 'COPY', 'MOVE', 'EXPUNGE', 'CLOSE', 'UNSELECT', 'CHECK'];
    switch (this.#state) {
      case 'invalid':
      case 'notConnected':
        this.#refused += 1;
        if (this.#refused > 2) await this.#bye('Connection closed. 14');
        return this.#state === 'invalid' ? invalidState : 'BAD User is authenticated but not connected.';
      case 'fresh':
        return isLogin || name === 'ID' || name === 'NOOP' ? undefined : invalidState;
      case 'authenticated':
        if (isLogin) return invalidState;
        return this.#view === undefined && selects.includes(name.replace(/^UID /, ''))
          ? invalidState
          : undefined;
    }
  }

  #table(): Readonly<Record<string, Command>> {
    const { clock, quirks } = this.#context;
    const search = (byUid: boolean): Command =>
      this.#inView((view, argument) =>
        messages.search(view, argument, {
          byUid,
          headersFindNothing: quirks.headerSearchFindsNothing,
          hidden: quirks.hiddenFromSearch,
        }),
      );
    const copy = (byUid: boolean, move: boolean): Command =>
      this.#inView((view, argument, mailbox) => messages.copy(view, mailbox, argument, { byUid, move }));
    return {
      CAPABILITY: () => ({
        untagged: [
          `CAPABILITY ${this.#state === 'fresh' ? capabilitiesBeforeLogin : capabilitiesAfterLogin}`,
        ],
        answer: 'OK CAPABILITY completed.',
      }),
      NOOP: () => plainly('OK NOOP completed.'),
      CHECK: () => plainly('OK CHECK completed.'),
      ID: () => ({
        untagged: ['ID ("name" "Microsoft.Exchange.Imap4.Imap4Server" "version" "15.20")'],
        answer: 'OK ID completed',
      }),
      LOGOUT: () => this.#logout(),
      LOGIN: () => plainly('NO LOGIN failed.'),
      AUTHENTICATE: async (argument) => plainly(await this.#authenticate(argument)),
      NAMESPACE: () => ({ untagged: ['NAMESPACE (("" "/")) NIL NIL'], answer: 'OK NAMESPACE completed.' }),
      LIST: this.#inMailbox((mailbox, argument) => folders.list(mailbox, 'LIST', argument)),
      LSUB: this.#inMailbox((mailbox, argument) => folders.list(mailbox, 'LSUB', argument)),
      SELECT: this.#inMailbox((mailbox, argument) => this.#select(mailbox, 'SELECT', argument)),
      EXAMINE: this.#inMailbox((mailbox, argument) => this.#select(mailbox, 'EXAMINE', argument)),
      STATUS: this.#inMailbox(folders.status),
      CREATE: this.#inMailbox(folders.create),
      DELETE: this.#inMailbox(folders.remove),
      RENAME: this.#inMailbox(folders.rename),
      SUBSCRIBE: () => plainly('OK SUBSCRIBE completed.'),
      UNSUBSCRIBE: () => plainly('OK UNSUBSCRIBE completed.'),
      APPEND: this.#inMailbox((mailbox, argument) => folders.append(mailbox, argument, clock.now())),
      FETCH: (argument) => this.#fetch(argument, false),
      'UID FETCH': (argument) => this.#fetch(argument, true),
      STORE: this.#inView((view, argument) => messages.store(view, argument, false)),
      'UID STORE': this.#inView((view, argument) => messages.store(view, argument, true)),
      SEARCH: search(false),
      'UID SEARCH': search(true),
      COPY: copy(false, false),
      'UID COPY': copy(true, false),
      MOVE: copy(false, true),
      'UID MOVE': copy(true, true),
      EXPUNGE: this.#inView((view) => messages.expunge(view, undefined, false)),
      'UID EXPUNGE': this.#inView((view, [numbers]) => messages.expunge(view, numbers, true)),
      CLOSE: this.#inView((view) => {
        if (!view.readOnly) messages.expunge(view, undefined, false);
        this.#view = undefined;
        return plainly('OK CLOSE completed.');
      }),
      UNSELECT: () => {
        this.#view = undefined;
        return plainly('OK UNSELECT completed.');
      },
      IDLE: () => this.#idle(),
    };
  }

  #inMailbox(act: (mailbox: MailboxStore, argument: readonly Token[]) => Outcome): Command {
    return (argument) => (this.#mailbox === undefined ? plainly(invalidState) : act(this.#mailbox, argument));
  }

  #inView(act: (view: View, argument: readonly Token[], mailbox: MailboxStore) => Outcome): Command {
    return (argument) => {
      const [view, mailbox] = [this.#view, this.#mailbox];
      return view === undefined || mailbox === undefined
        ? plainly(invalidState)
        : act(view, argument, mailbox);
    };
  }

  #logout(): Outcome {
    this.#record.closedBy = 'quit';
    this.#view = undefined;
    this.#leaving = true;
    return {
      untagged: ['BYE Microsoft Exchange Server IMAP4 server signing off.'],
      answer: 'OK LOGOUT completed.',
    };
  }

  // ---- logging in ----------------------------------------------------------------------------------------

  async #authenticate(argument: readonly Token[]): Promise<string> {
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
    const line = await this.#wire.readLine(this.#context.limits.imapLineBytes, idleBeforeLoginMs);
    return line.kind === 'line' ? line.bytes.toString('latin1') : undefined;
  }

  async #expire(): Promise<void> {
    if (this.#state !== 'authenticated') return;
    this.#state = 'invalid';
    this.#view = undefined;
    this.#expiresAt = Infinity;
    await this.#untagged('BYE Session invalidated - AccessTokenExpired');
  }

  // ---- folders and messages ------------------------------------------------------------------------------

  #select(mailbox: MailboxStore, command: 'SELECT' | 'EXAMINE', [name]: readonly Token[]): Outcome {
    this.#view = undefined;
    const folder = folders.folderOf(mailbox, name);
    if (folder === undefined) return plainly(noFolder(name));
    this.#view = new View(folder, command === 'EXAMINE');
    return folders.selected(folder, command);
  }

  async #fetch(argument: readonly Token[], byUid: boolean): Promise<Outcome | undefined> {
    const view = this.#view;
    if (view === undefined) return plainly(invalidState);
    const { quirks } = this.#context;
    const context = { view, wire: this.#wire, quirks, session: this.#record.number };
    const before = (uid: number): Promise<MessageCourse> => this.#beforeMessage(view, uid);
    const answer = await fetch({ ...context, before }, argument, byUid);
    return answer === undefined ? undefined : plainly(answer);
  }

  async #beforeMessage(view: View, uid: number): Promise<MessageCourse> {
    const info = { ...this.#info(), uid };
    if ((await this.#context.beforeStep?.('message', info)) === 'cut') {
      this.#wire.cut();
      return { kind: 'over' };
    }
    if (this.#context.clock.now() >= this.#expiresAt) {
      await this.#expire();
      return { kind: 'answer', answer: invalidState };
    }
    const fault = this.#context.faults.imap('message', info);
    if (fault?.kind === 'cut') return { kind: 'cut', afterBytes: fault.afterBytes ?? 0 };
    if (fault?.kind === 'vanish') view.folder.remove(uid);
    const course = fault === undefined ? 'go' : await this.#act(fault);
    return course === 'go' || course === 'over' ? { kind: course } : { kind: 'answer', answer: course };
  }

  // ---- IDLE ----------------------------------------------------------------------------------------------

  async #idle(): Promise<Outcome | undefined> {
    const { clock } = this.#context;
    await this.#send('+ IDLE accepted, awaiting DONE command.\r\n');
    const over = new AbortController();
    const untilGone = AbortSignal.any([over.signal, this.#wire.gone]);
    const end = this.#view?.folder.onChange(() => void this.#reportChanges(true));
    void this.#reportChanges(true);
    if (this.#expiresAt !== Infinity) {
      void clock
        .sleep(this.#expiresAt - clock.now(), untilGone)
        .then(() => (untilGone.aborted ? undefined : this.#expire()));
    }
    const fault = this.#context.faults.imap('idle', this.#info());
    if (fault !== undefined) await this.#act(fault);
    const line = await this.#wire.readLine(this.#context.limits.imapLineBytes, idleLimitMs);
    over.abort();
    end?.();
    if (line.kind !== 'line') return undefined;
    if (this.#state === 'invalid') return plainly(invalidState);
    const done = line.bytes.toString('latin1').toUpperCase() === 'DONE';
    return plainly(done ? 'OK IDLE completed.' : 'BAD Command Error. 12');
  }

  // ---- untagged responses -------------------------------------------------------------------------------------------

  /** Reports changes by other sessions in the selected folder; a new UIDVALIDITY ends the session. */
  async #reportChanges(mayExpunge: boolean): Promise<void> {
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
        return invalidState;
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
