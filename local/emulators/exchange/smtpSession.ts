// One SMTP client, from the banner to the close, as Exchange Online's client submission treats it. Built by hand
// rather than on the smtp-server package: that one waits 100 ms before its banner, decides itself when it replies
// and closes, and cannot be cut between the final dot and the reply, the moment that matters most here.
//
// A message is taken (counted, filed, delivered) in one go between the steps `dot` and `reply`. Once its final dot
// has arrived, a client that leaves does not stop that: the server has it.
import type { AccountOptions } from './accounts.ts';
import { sameAddress } from './accounts.ts';
import { Content, headerFields, headerValue } from './content.ts';
import type { SmtpFault, SmtpStep, StepInfo } from './faults.ts';
import type { ConnectionRecord, MessageRecord } from './serverLog.ts';
import { ehloLines, replies, trailer } from './smtpReplies.ts';
import { judge, noteViolation, take } from './smtpAcceptance.ts';
import type { Transaction } from './smtpAcceptance.ts';
import { logIn } from './smtpLogin.ts';
import { readBody } from './smtpBody.ts';
import type { SmtpContext } from './smtpContext.ts';
import type { Wire } from './wire.ts';

const idleLimitMs = 300_000;
// RFC 4954 4: 12,288 octets, so that a token fits; Exchange's tokens are some 2 to 4 kB.
const maxLineBytes = 12_288;

/** `go`: do the step as usual · `answered`: a rule replied in its place · `over`: the connection has ended. */
type Course = 'go' | 'answered' | 'over';

export class SmtpSession {
  readonly #context: SmtpContext;
  readonly #wire: Wire;
  readonly #record: ConnectionRecord;
  #secure = false;
  #greeted = false;
  /** Who logged in, and by whose token. */
  #login: { readonly account: AccountOptions; readonly holder: string } | undefined;
  #transaction: Transaction | undefined;

  constructor(context: SmtpContext, wire: Wire, record: ConnectionRecord) {
    this.#context = context;
    this.#wire = wire;
    this.#record = record;
  }

  async run(): Promise<void> {
    if ((await this.#step('connect')) === 'over') return;
    const banner = await this.#step('banner');
    if (banner === 'go') {
      const { names, clock } = this.#context;
      const date = new Date(clock.now()).toUTCString().replace('GMT', '+0000');
      await this.#reply(`220 ${names.frontEnd} Microsoft ESMTP MAIL Service ready at ${date}`, 'banner');
    }
    while (!this.#wire.isGone) {
      const line = await this.#wire.readLine(maxLineBytes, idleLimitMs);
      if (line.kind === 'end') return;
      if (line.kind === 'idle') {
        await this.#reply(replies.idle, 'idle');
        this.#wire.end();
        return;
      }
      if (line.kind === 'tooLong') await this.#reply(replies.lineTooLong, 'line');
      else await this.#command(line.bytes.toString('utf8'));
    }
  }

  async #command(line: string): Promise<void> {
    const [verb = '', ...rest] = line.trim().split(' ');
    const argument = rest.join(' ');
    switch (verb.toUpperCase()) {
      case 'EHLO':
      case 'HELO':
        return this.#hello(verb.toUpperCase(), argument);
      case 'STARTTLS':
        return this.#startTls();
      case 'AUTH':
        return this.#auth(rest[0] ?? '', rest[1]);
      case 'MAIL':
        return this.#mail(argument);
      case 'RCPT':
        return this.#rcpt(argument);
      case 'DATA':
        return this.#data();
      case 'BDAT':
        return this.#bdat(rest);
      case 'RSET':
        if ((await this.#step('rset')) !== 'go') return;
        this.#transaction = undefined;
        return this.#reply(replies.reset, 'rset');
      case 'NOOP':
        if ((await this.#step('noop')) !== 'go') return;
        return this.#reply(replies.ok, 'noop');
      case 'QUIT':
        if ((await this.#step('quit')) !== 'go') return;
        await this.#reply(replies.bye, 'quit');
        this.#record.closedBy = 'quit';
        this.#wire.end();
        return;
      default:
        return this.#reply(replies.unknown, 'command');
    }
  }

  async #hello(verb: string, client: string): Promise<void> {
    if ((await this.#step('ehlo')) !== 'go') return;
    this.#greeted = true;
    this.#transaction = undefined;
    const lines = ehloLines(this.#context.names, client, this.#secure, this.#context.limits.messageBytes);
    const shown = verb === 'HELO' ? lines.slice(0, 1) : lines;
    const text = shown.map((line, at) => `250${at + 1 < shown.length ? '-' : ' '}${line}\r\n`).join('');
    await this.#wire.write(text);
  }

  async #startTls(): Promise<void> {
    if (this.#secure) return this.#reply(replies.unknown, 'starttls');
    if ((await this.#step('starttls')) !== 'go') return;
    await this.#reply(replies.startTls, 'starttls');
    if (!(await this.#wire.startTls(this.#context.secureContext))) {
      this.#wire.end();
      return;
    }
    this.#record.tlsNs = this.#context.log.nowNs();
    this.#secure = true;
    // RFC 3207 4.2: what was known before the handshake is forgotten.
    this.#greeted = false;
  }

  // ---- AUTH ----------------------------------------------------------------------------------------------

  async #auth(mechanism: string, initial: string | undefined): Promise<void> {
    if (!this.#greeted) return this.#reply(replies.helloFirst, 'auth');
    if (!this.#secure) return this.#reply(replies.authUnknown, 'auth');
    if (this.#login !== undefined) return this.#reply(replies.authAlready, 'auth');
    if (mechanism.toUpperCase() === 'LOGIN') return this.#authLogin(initial);
    if (mechanism.toUpperCase() !== 'XOAUTH2') return this.#reply(replies.authUnknown, 'auth');
    const response = initial ?? (await this.#ask(''));
    const course = await this.#step('auth');
    if (response === undefined || course !== 'go') return;
    const login = await logIn(this.#context, this.#record, response, this.#trailer());
    if (login.kind === 'refused') return this.#reply(login.reply, 'auth');
    this.#login = login;
    this.#record.account = login.account.address;
    return this.#reply(replies.authenticated, 'auth');
  }

  /** Basic authentication is dead, but its dialog is still held. */
  async #authLogin(initial: string | undefined): Promise<void> {
    if (initial === undefined && (await this.#ask('VXNlcm5hbWU6')) === undefined) return;
    if ((await this.#ask('UGFzc3dvcmQ6')) === undefined) return;
    if ((await this.#step('auth')) !== 'go') return;
    return this.#reply(replies.authBasic(this.#trailer()), 'auth');
  }

  async #ask(challenge: string): Promise<string | undefined> {
    await this.#wire.write(`334 ${challenge}\r\n`);
    const line = await this.#wire.readLine(maxLineBytes, idleLimitMs);
    return line.kind === 'line' ? line.bytes.toString('latin1') : undefined;
  }

  // ---- the envelope --------------------------------------------------------------------------------------

  async #mail(argument: string): Promise<void> {
    const mailNs = this.#context.log.nowNs();
    const [, from, parameters = ''] = /^FROM: ?<([^<>\s]*)>((?: \S+)*)$/i.exec(argument) ?? [];
    if ((await this.#step('mail')) !== 'go') return;
    if (!this.#greeted) return this.#reply(replies.helloFirst, 'mail');
    if (this.#login === undefined) return this.#reply(replies.notAuthenticated(this.#trailer()), 'mail');
    if (this.#transaction !== undefined) return this.#reply(replies.mailTwice, 'mail');
    if (from === undefined) return this.#reply(replies.arguments, 'mail');
    const size = Number(/ SIZE=(\d+)/i.exec(parameters)?.[1] ?? 0);
    if (size > this.#context.limits.messageBytes) return this.#reply(replies.tooLarge, 'mail');
    this.#transaction = { ...this.#login, from, mailNs, to: [], refused: [], chunks: [] };
    return this.#reply(replies.senderOk, 'mail');
  }

  async #rcpt(argument: string): Promise<void> {
    const [, address] = /^TO: ?<([^<>\s]+@[^<>\s]+)>((?: \S+)*)$/i.exec(argument) ?? [];
    const { limits, log } = this.#context;
    const transaction = this.#transaction;
    const course = await this.#step('rcpt', address === undefined ? [] : [address]);
    if (course === 'answered' && transaction !== undefined && address !== undefined) {
      transaction.refused.push({ address, reply: log.refusals.at(-1)?.reply ?? '' });
    }
    if (course !== 'go') return;
    if (transaction === undefined) return this.#reply(replies.mailFirst, 'rcpt');
    if (address === undefined) return this.#reply(replies.badAddress, 'rcpt');
    const refusal = this.#refusalOf(address);
    if (refusal !== undefined) {
      transaction.refused.push({ address, reply: refusal });
      return this.#reply(refusal, 'rcpt');
    }
    if (transaction.to.length >= limits.recipientsPerMessage) {
      const [count, limit] = [transaction.to.length + 1, limits.recipientsPerMessage];
      noteViolation(this.#context, this.#record, transaction.account, {
        kind: 'recipientsPerMessage',
        count,
        limit,
      });
      transaction.refused.push({ address, reply: replies.tooManyRecipients });
      return this.#reply(replies.tooManyRecipients, 'rcpt');
    }
    transaction.to.push(address);
    return this.#reply(replies.recipientOk, 'rcpt');
  }

  #refusalOf(address: string): string | undefined {
    const rule = this.#context.recipientRule(address);
    if (rule?.kind === 'refuse') return rule.reply ?? replies.noRecipient(address);
    if (rule?.kind === 'defer') {
      this.#context.useDeferral(address);
      return rule.reply ?? replies.deferredRecipient;
    }
    return undefined;
  }

  // ---- the content ---------------------------------------------------------------------------------------

  async #data(): Promise<void> {
    const transaction = this.#transaction;
    if ((await this.#step('data')) !== 'go') return;
    if (transaction === undefined) return this.#reply(replies.mailFirst, 'data');
    if (transaction.to.length === 0) return this.#reply(replies.rcptFirst, 'data');
    await this.#wire.write(`${replies.data}\r\n`);
    const { fault, course } = await this.#body();
    if (course === 'over') return;
    const stopAfterBytes = fault?.kind === 'cut' ? (fault.afterBytes ?? 1) : Infinity;
    const body = await readBody(this.#wire, this.#context.limits.messageBytes, stopAfterBytes);
    if (body.kind === 'broken') {
      this.#wire.cut();
      return;
    }
    this.#transaction = undefined;
    // A fault rule has already replied.
    if (course === 'answered') return;
    const refusal = body.tooLarge ? replies.tooLarge : body.bareLineEnd ? replies.bareLineEnd : undefined;
    await this.#dot(transaction, new Content(body.pieces), refusal);
  }

  /** The rules for the middle of the content: the reader of the content performs a cut. */
  async #body(): Promise<{ readonly fault?: SmtpFault; readonly course: Course }> {
    const info = this.#info();
    if ((await this.#context.beforeStep?.('body', info)) === 'cut') {
      this.#wire.cut();
      return { course: 'over' };
    }
    await this.#pause(this.#context.latency('body'));
    const fault = this.#context.faults.smtp('body', info);
    if (fault === undefined || fault.kind === 'cut')
      return { course: 'go', ...(fault === undefined ? {} : { fault }) };
    return { fault, course: await this.#act(fault, 'body') };
  }

  /** RFC 3030: chunks instead of DATA. The content is exactly what was counted out, bare line ends included. */
  async #bdat(parameters: readonly string[]): Promise<void> {
    const size = Number(parameters[0]);
    const last = parameters[1]?.toUpperCase() === 'LAST';
    const transaction = this.#transaction;
    if (!Number.isSafeInteger(size) || size < 0) return this.#reply(replies.arguments, 'data');
    const chunks = transaction?.chunks ?? [];
    const before = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    for (let left = size; left > 0;) {
      const some = await this.#wire.readSome(left);
      if (some === undefined) return;
      if (before + size <= this.#context.limits.messageBytes) chunks.push(some);
      left -= some.length;
    }
    if ((await this.#step('data')) !== 'go') return;
    if (transaction === undefined) return this.#reply(replies.mailFirst, 'data');
    if (transaction.to.length === 0) return this.#reply(replies.rcptFirst, 'data');
    if (!last) return this.#reply(`250 2.0.0 ${size} octets received`, 'data');
    this.#transaction = undefined;
    const tooLarge = before + size > this.#context.limits.messageBytes;
    await this.#dot(transaction, new Content(chunks), tooLarge ? replies.tooLarge : undefined);
  }

  /** The content is complete: check it, accept it, reply. */
  async #dot(transaction: Transaction, content: Content, refusal: string | undefined): Promise<void> {
    const dotNs = this.#context.log.nowNs();
    const fields = headerFields(content);
    const bridgeId = headerValue(fields, 'X-Mail-Bridge-Id');
    const subject = headerValue(fields, 'Subject');
    const info = {
      recipients: transaction.to,
      ...(bridgeId === undefined ? {} : { bridgeId }),
      ...(subject === undefined ? {} : { subject }),
    };
    const judgeAndTake = (): MessageRecord | string => {
      const no = refusal ?? judge(this.#context, this.#record, transaction, content);
      const at = { connection: this.#record.number, dotNs, clientThere: !this.#wire.isGone };
      return no ?? take(this.#context, transaction, content, at);
    };
    const course = await this.#stepWithMessage('dot', info, judgeAndTake);
    // A server that closes takes nothing more.
    if (course !== 'go' || this.#context.closing.aborted) return;
    const taken = judgeAndTake();
    if (typeof taken === 'string') return this.#reply(taken, 'dot', bridgeId);
    if (this.#context.quirks.overRate === 'delay') {
      await this.#pause(this.#context.rates.waitMs(taken.account, taken.acceptedNs));
    }
    if ((await this.#stepWithMessage('reply', info, undefined)) !== 'go') return;
    if (this.#wire.isGone) return;
    taken.repliedNs = this.#context.log.nowNs();
    return this.#reply(replies.accepted(this.#context.names, taken.serverId), 'reply');
  }

  // ---- steps, faults, replies ----------------------------------------------------------------------------

  async #step(step: SmtpStep, recipients?: readonly string[]): Promise<Course> {
    return this.#stepWithMessage(step, recipients === undefined ? {} : { recipients }, undefined);
  }

  async #stepWithMessage(
    step: SmtpStep,
    more: Partial<StepInfo>,
    take: (() => unknown) | undefined,
  ): Promise<Course> {
    const info = { ...this.#info(), ...more };
    if ((await this.#context.beforeStep?.(step, info)) === 'cut') {
      this.#wire.cut();
      return 'over';
    }
    await this.#pause(this.#context.latency(step));
    const fault = this.#context.faults.smtp(step, info);
    if (fault === undefined) return 'go';
    if (fault.kind === 'acceptLate' && take !== undefined) {
      const { clock, closing } = this.#context;
      void clock.sleep(fault.afterMs, closing).then(() => (closing.aborted ? undefined : take()));
      return this.#act({ kind: 'hang' }, step);
    }
    return this.#act(fault, step, info.bridgeId);
  }

  async #act(fault: SmtpFault, step: SmtpStep, bridgeId?: string): Promise<Course> {
    const { clock } = this.#context;
    switch (fault.kind) {
      case 'cut':
        this.#wire.cut();
        return 'over';
      case 'hang':
      case 'acceptLate':
        await clock.sleep(fault.kind === 'hang' ? (fault.forMs ?? 2 ** 31 - 1) : 0, this.#wire.gone);
        return this.#wire.isGone ? 'over' : 'go';
      case 'delay':
        await this.#pause(fault.ms);
        return 'go';
      case 'reply': {
        const { code, enhanced, text, thenClose = false } = fault;
        await this.#reply(`${code} ${enhanced === undefined ? '' : `${enhanced} `}${text}`, step, bridgeId);
        if (thenClose) this.#wire.end();
        return thenClose ? 'over' : 'answered';
      }
    }
  }

  /** Waits although the client may leave meanwhile: what the server has, it goes on with. */
  async #pause(ms: number): Promise<void> {
    if (ms > 0) await this.#context.clock.sleep(ms, this.#context.closing);
  }

  #info(): StepInfo {
    const account = this.#login?.account.address;
    return {
      protocol: 'smtp',
      connection: this.#record.number,
      ...(account === undefined ? {} : { account: sameAddress(account) }),
      ...(this.#transaction === undefined ? {} : { recipients: this.#transaction.to }),
    };
  }

  async #reply(line: string, step: string, bridgeId?: string): Promise<void> {
    const { log } = this.#context;
    if (/^[45]/.test(line)) {
      const account = this.#login?.account.address;
      log.refusals.push({
        connection: this.#record.number,
        step,
        atNs: log.nowNs(),
        reply: line,
        ...(account === undefined ? {} : { account }),
        ...(bridgeId === undefined ? {} : { bridgeId }),
      });
    }
    await this.#wire.write(Buffer.from(`${line}\r\n`, 'utf8'));
  }

  #trailer(): string {
    const session = this.#record.number.toString(16).toUpperCase().padStart(16, '0');
    return trailer(this.#context.names, this.#context.clock.now(), session);
  }
}
