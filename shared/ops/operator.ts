// What an operator may do, as functions: the API, the page and the commands have nothing else. Each act writes one row of
// the audit trail and says what it did to how many. Nothing is done "for nothing": an unknown mailbox, account or message
// is said by name.
import type { Clock, Random } from '../clock.ts';
import { submissionId } from '../contract/submissionSchema.ts';
import type { IntakeState } from '../intake/intakeStates.ts';
import { mailboxAt } from '../mail/accounts.ts';
import type { Account, Mailbox } from '../mail/mailbox.ts';
import { present } from '../mail/omit.ts';
import type { Expiration } from '../oauth/refreshTokens.ts';
import type { AcceptAnswer } from '../outbound/accept/acceptMail.ts';
import type { AccountForecast } from '../outbound/outbound.ts';
import type { FoundMessage, FoundPage, MessageFilter } from '../outbound/operator/find.ts';
import type { OperateAnswer } from '../outbound/operator/operate.ts';
import type { SubmittedContent } from '../outbound/operator/submitted.ts';
import type { AccountSummary } from '../outbound/operator/summaries.ts';
import type { UnreadableMessage } from '../outbound/operator/watch.ts';
import type { Message } from '../outbound/records/message.ts';
import { audited, listed, OperatorError, type Acted, type Actor } from './audited.ts';
import type { AuditEntry, AuditLog } from './auditLog.ts';
import type { Diagnosis } from './doctor.ts';
import type { MailboxBoards } from './mailboxBoards.ts';
import {
  makeMailboxDetail,
  makeOverview,
  type MailboxDetail,
  type Overview,
  type OverviewInput,
} from './overview.ts';
import { installation, maintenanceMostMs, type Maintenance, type MaintenancePeriod } from './maintenance.ts';
import type { MailboxReadiness } from './readiness.ts';

export const messageActions = ['replay', 'cancel', 'markSent', 'markNotSent', 'remove'] as const;
export type MessageAction = (typeof messageActions)[number];
export const jobs = ['fetch', 'sweep', 'prune', 'refresh'] as const;
export type Job = (typeof jobs)[number];

/** The outbound side's part in it. */
export interface OutboundOperations {
  operate(
    action: MessageAction,
    which: { readonly account: string; readonly id: string; readonly by: string },
  ): Promise<OperateAnswer>;
  pause(which: { readonly account: string; readonly mailbox?: string; readonly by: string }): Promise<void>;
  resume(which: { readonly account: string; readonly mailbox?: string }): Promise<void>;
  find(filter: MessageFilter, page: { readonly limit: number; readonly after?: string }): Promise<FoundPage>;
  message(
    account: string,
    id: string,
  ): Promise<{ readonly message: Message; readonly sending: boolean } | undefined>;
  /** What was submitted; undefined if it is no longer kept. */
  content(message: Message): Promise<SubmittedContent | undefined>;
  /** Accepts a submission, or says what is wrong with it and keeps nothing. */
  submit(submission: object): Promise<AcceptAnswer>;
  unreadable(account: string, limit: number): Promise<readonly UnreadableMessage[]>;
  forecasts(): Promise<readonly AccountForecast[]>;
  summaries(): Promise<readonly AccountSummary[]>;
}

export interface OperatorDependencies {
  readonly outbound: OutboundOperations;
  readonly accounts: readonly Account[];
  readonly mailboxes: readonly Mailbox[];
  readonly audit: AuditLog;
  /** What the sweep stored of mailboxes and queues. */
  readonly boards: Pick<MailboxBoards, 'read'>;
  /** Credentials that end at a known time. */
  readonly expirations: () => readonly Expiration[];
  readonly maintenance: Pick<Maintenance, 'set' | 'list'>;
  readonly readiness: () => Promise<readonly MailboxReadiness[]>;
  readonly intakes: () => Promise<readonly IntakeState[]>;
  readonly examine: (address: string) => Promise<Diagnosis>;
  readonly runJob: (job: Job) => Promise<void>;
  readonly clock: Pick<Clock, 'now'>;
  readonly random: Pick<Random, 'id'>;
}

export interface ActResult {
  readonly id: string;
  readonly mailbox: string;
  readonly result: 'done' | 'unknown' | 'refused';
  readonly detail: string;
}

export interface ActReport {
  readonly action: MessageAction;
  readonly isDryRun: boolean;
  readonly matchedCount: number;
  readonly doneCount: number;
  readonly results: readonly ActResult[];
  /** With the same filter: go on from here. */
  readonly next?: string;
}

/** Messages that can't be read, as listed. */
const unreadableMost = 1_000;
/** Messages that one call acts on. */
export const actMost = 100;

export class Operator {
  readonly #dependencies: OperatorDependencies;

  constructor(dependencies: OperatorDependencies) {
    this.#dependencies = dependencies;
  }

  // ---- reading -------------------------------------------------------------------------------------------

  find(filter: MessageFilter, page: { readonly limit: number; readonly after?: string }): Promise<FoundPage> {
    if (filter.mailbox !== undefined) this.#mailbox(filter.mailbox);
    return this.#dependencies.outbound.find(filter, page);
  }

  /** The message of that id; `mailbox` says which one if several accounts have such an id. */
  async message(
    id: string,
    mailbox?: string,
  ): Promise<{ readonly account: string; readonly message: Message; readonly sending: boolean }> {
    const { outbound } = this.#dependencies;
    const keys =
      mailbox === undefined
        ? (await outbound.summaries()).map(({ account }) => account)
        : [this.#accountOf(mailbox)];
    // Any other text can't be the key of a row.
    for (const account of submissionId.test(id) ? keys : []) {
      const found = await outbound.message(account, id);
      if (found !== undefined && found.message.reason !== 'deleted') return { account, ...found };
    }
    throw new OperatorError(
      'notFound',
      `There is no message ${id}${mailbox === undefined ? '' : ` of ${mailbox}`}.`,
      'Look for it by recipient or time; what was sent is removed after the retention time.',
    );
  }

  /** Messages whose rows can't be read, of the account that `mailbox` sends with or of all. Throws OperatorError. */
  async unreadable(mailbox?: string): Promise<readonly (UnreadableMessage & { readonly account: string })[]> {
    const accounts =
      mailbox === undefined
        ? (await this.summaries())
            .filter(({ backlog }) => (backlog?.unreadable.count ?? 0) > 0)
            .map(({ account }) => account)
        : [this.#accountOf(mailbox)];
    const found: (UnreadableMessage & { readonly account: string })[] = [];
    for (const account of accounts) {
      const messages = await this.#dependencies.outbound.unreadable(account, unreadableMost);
      found.push(...messages.map((message) => ({ ...message, account })));
    }
    return found.slice(0, unreadableMost);
  }

  readiness(): Promise<readonly MailboxReadiness[]> {
    return this.#dependencies.readiness();
  }

  /** UTC ms. */
  now(): number {
    return this.#dependencies.clock.now();
  }

  /** The SMTP intakes that reported in the last 30 days. */
  intakes(): Promise<readonly IntakeState[]> {
    return this.#dependencies.intakes();
  }

  /** The first screen: what happened since a full hour, and what the sweep last stored. Two queries. */
  async overview(sinceAt: number): Promise<Overview> {
    return makeOverview(await this.#overviewInput(sinceAt));
  }

  /** One mailbox of it, with its holds and its hours. Throws OperatorError for one that is not served. */
  async mailboxDetail(address: string, sinceAt: number): Promise<MailboxDetail> {
    return makeMailboxDetail(this.#mailbox(address), await this.#overviewInput(sinceAt));
  }

  async #overviewInput(sinceAt: number): Promise<OverviewInput> {
    const { outbound, boards, mailboxes, expirations, clock } = this.#dependencies;
    const [summaries, stored] = await Promise.all([outbound.summaries(), boards.read()]);
    return { mailboxes, summaries, boards: stored, expirations: expirations(), sinceAt, now: clock.now() };
  }

  forecasts(): Promise<readonly AccountForecast[]> {
    return this.#dependencies.outbound.forecasts();
  }

  summaries(): Promise<readonly AccountSummary[]> {
    return this.#dependencies.outbound.summaries();
  }

  audit(limit: number): Promise<readonly AuditEntry[]> {
    return this.#dependencies.audit.newest(limit);
  }

  /** The account that a mailbox sends with. Throws OperatorError. */
  accountOf(mailbox: string): string {
    return this.#accountOf(mailbox);
  }

  // ---- acting --------------------------------------------------------------------------------------------

  /** Shows subject and content of a message; the reason is kept. */
  async reveal(
    which: { readonly id: string; readonly mailbox?: string; readonly reason: string },
    actor: Actor,
  ): Promise<SubmittedContent> {
    const { message } = await this.message(which.id, which.mailbox);
    return this.#audited(
      { action: 'reveal', on: `${message.mailbox} ${message.id}`, reason: which.reason },
      actor,
      async () => {
        const content = await this.#dependencies.outbound.content(message);
        if (content === undefined)
          throw new OperatorError(
            'notFound',
            `The content of ${message.id} is no longer kept.`,
            'Look for it in Sent Items of the mailbox.',
          );
        return { value: content, doneCount: 1, refusedCount: 0 };
      },
    );
  }

  /**
   * One action on the messages of a list of ids, or on those that a filter finds: at most `actMost` a call, `next` says
   * where to go on. A dry run does nothing and writes nothing.
   */
  async act(
    request: {
      readonly action: MessageAction;
      readonly ids?: readonly string[];
      readonly mailbox?: string;
      readonly filter?: MessageFilter;
      readonly reason: string;
      readonly dryRun: boolean;
      readonly after?: string;
    },
    actor: Actor,
  ): Promise<ActReport> {
    const { action, dryRun, reason } = request;
    const { targets, missing, next } = await this.#targets(request);
    const report = (results: readonly ActResult[]): ActReport => ({
      action,
      isDryRun: dryRun,
      matchedCount: targets.length,
      doneCount: results.filter(({ result }) => result === 'done').length,
      results: [...results, ...missing],
      ...present({ next }),
    });
    if (dryRun)
      return report(
        targets.map(({ id, mailbox, state }) => ({
          id,
          mailbox,
          result: 'refused',
          detail: `It is ${state}; nothing was done (dry run).`,
        })),
      );
    const on = request.ids?.join(' ') ?? JSON.stringify(request.filter ?? {});
    return this.#audited({ action, on, reason }, actor, async () => {
      const results: ActResult[] = [];
      for (const { account, id, mailbox } of targets) {
        const answer = await this.#dependencies.outbound.operate(action, { account, id, by: actor.name });
        results.push({ id, mailbox, result: answer.kind, detail: detailOf(answer) });
      }
      const value = report(results);
      return { value, doneCount: value.doneCount, refusedCount: value.results.length - value.doneCount };
    });
  }

  /** Stops or resumes sending of a mailbox, or of a whole account. Answers with whom it concerned. */
  async changeSending(
    request: {
      readonly action: 'pause' | 'resume';
      readonly mailbox?: string;
      readonly account?: string;
      readonly reason: string;
    },
    actor: Actor,
  ): Promise<{ readonly account: string; readonly mailboxes: readonly string[] }> {
    const { outbound } = this.#dependencies;
    const { action, reason } = request;
    const mailbox = request.mailbox === undefined ? undefined : this.#mailbox(request.mailbox).address;
    const account = mailbox === undefined ? this.#account(request.account ?? '') : this.#accountOf(mailbox);
    const mailboxes =
      mailbox === undefined
        ? (this.#dependencies.accounts
            .find(({ key }) => key === account)
            ?.mailboxes.map(({ address }) => address) ?? [])
        : [mailbox];
    return this.#audited({ action, on: mailbox ?? account, reason }, actor, async () => {
      await outbound[action]({ account, by: actor.name, ...present({ mailbox }) });
      return { value: { account, mailboxes }, doneCount: mailboxes.length, refusedCount: 0 };
    });
  }

  /** Checks every step of a mailbox's mail. */
  async examine(address: string, actor: Actor): Promise<Diagnosis> {
    const mailbox = this.#mailbox(address).address;
    return this.#audited({ action: 'doctor', on: mailbox, reason: '' }, actor, async () => {
      const value = await this.#dependencies.examine(mailbox);
      return { value, doneCount: 1, refusedCount: 0 };
    });
  }

  /**
   * Sends one message from a mailbox, to see that mail gets through; to the mailbox itself if nobody is named, which shows
   * both directions. It takes the way of every message and counts against the limits.
   */
  async sendTest(
    { mailbox: address, to }: { readonly mailbox: string; readonly to?: string },
    actor: Actor,
  ): Promise<{ readonly id: string; readonly mailbox: string; readonly to: string }> {
    const { outbound, clock, random } = this.#dependencies;
    const mailbox = this.#mailbox(address).address;
    this.#accountOf(mailbox);
    const recipient = to ?? mailbox;
    return this.#audited({ action: 'send test', on: mailbox, reason: `to ${recipient}` }, actor, async () => {
      const at = new Date(clock.now()).toISOString();
      const id = `test-${random.id()}`;
      const answer = await outbound.submit({
        id,
        mailbox,
        to: [{ address: recipient }],
        subject: `Test of the mail bridge, ${at.slice(0, 16).replace('T', ' ')} UTC`,
        text: `${actor.name} had this message sent to see whether mail from ${mailbox} gets through. It needs no answer.`,
        priority: 'high',
      });
      if (answer.kind === 'accepted')
        return { value: { id, mailbox, to: recipient }, doneCount: 1, refusedCount: 0 };
      throw new OperatorError(
        'invalid',
        answer.problems.map(({ detail }) => detail).join(' '),
        'Name one plain address, such as you@example.com.',
      );
    });
  }

  /** Runs fetch, sweep, prune or the refresh of sign-ins now. */
  async run(
    { job, reason }: { readonly job: Job; readonly reason: string },
    actor: Actor,
  ): Promise<{ readonly job: Job; readonly elapsedMs: number }> {
    return this.#audited({ action: `run ${job}`, on: '', reason }, actor, async () => {
      const since = this.#dependencies.clock.now();
      await this.#dependencies.runJob(job);
      return {
        value: { job, elapsedMs: this.#dependencies.clock.now() - since },
        doneCount: 1,
        refusedCount: 0,
      };
    });
  }

  /**
   * Puts a mailbox, or the whole installation, in maintenance for `forMs`: the alerts leave it out until then. 0 ends it.
   */
  async changeMaintenance(
    request: { readonly mailbox?: string; readonly forMs: number; readonly reason: string },
    actor: Actor,
  ): Promise<MaintenancePeriod> {
    const { clock, maintenance } = this.#dependencies;
    const { forMs, reason } = request;
    if (!(forMs >= 0 && forMs <= maintenanceMostMs))
      throw new OperatorError(
        'invalid',
        'A maintenance lasts a day at most.',
        'Give a shorter time; it can be extended before it ends.',
      );
    const name =
      request.mailbox === undefined ? installation : this.#mailbox(request.mailbox).address.toLowerCase();
    const period = { name, until: clock.now() + forMs, by: actor.name, reason };
    const action = forMs === 0 ? 'end maintenance' : 'maintenance';
    return this.#audited({ action, on: name, reason }, actor, async () => {
      await maintenance.set(period);
      return { value: period, doneCount: 1, refusedCount: 0 };
    });
  }

  /** Maintenance under way, or ended within the last hour. */
  maintenance(): Promise<readonly MaintenancePeriod[]> {
    return this.#dependencies.maintenance.list();
  }

  // ---- helpers -------------------------------------------------------------------------------------------

  async #targets(request: {
    readonly ids?: readonly string[];
    readonly mailbox?: string;
    readonly filter?: MessageFilter;
    readonly after?: string;
  }): Promise<{
    readonly targets: readonly Pick<FoundMessage, 'account' | 'id' | 'mailbox' | 'state'>[];
    readonly missing: readonly ActResult[];
    readonly next?: string;
  }> {
    if (request.ids === undefined) {
      const { messages, next } = await this.find(request.filter ?? {}, {
        limit: actMost,
        ...present({ after: request.after }),
      });
      return { targets: messages, missing: [], ...present({ next }) };
    }
    const targets: Pick<FoundMessage, 'account' | 'id' | 'mailbox' | 'state'>[] = [];
    const missing: ActResult[] = [];
    for (const id of new Set(request.ids)) {
      try {
        const { account, message, sending } = await this.message(id, request.mailbox);
        targets.push({ account, id, mailbox: message.mailbox, state: sending ? 'sending' : message.state });
      } catch (error) {
        if (!(error instanceof OperatorError) || error.kind !== 'notFound') throw error;
        const aside = (await this.unreadable(request.mailbox)).find((one) => one.id === id);
        if (aside === undefined)
          missing.push({ id, mailbox: request.mailbox ?? '', result: 'unknown', detail: error.message });
        else targets.push({ account: aside.account, id, mailbox: aside.mailbox, state: 'held' });
      }
    }
    return { targets, missing };
  }

  #mailbox(address: string): Mailbox {
    const found = mailboxAt(this.#dependencies.mailboxes, address);
    if (found !== undefined) return found;
    throw new OperatorError(
      'notFound',
      `${address} is not one of the mailboxes in MAILBOXES.`,
      `The mailboxes are ${listed(this.#dependencies.mailboxes.map((mailbox) => mailbox.address))}.`,
    );
  }

  #accountOf(mailbox: string): string {
    const { address } = this.#mailbox(mailbox);
    const account = this.#dependencies.accounts.find(
      ({ mailboxes }) => mailboxAt(mailboxes, address) !== undefined,
    );
    if (account !== undefined) return account.key;
    throw new OperatorError('notFound', `${address} does not send.`, 'Set send to true for it in MAILBOXES.');
  }

  /** By its key or its login name, in any case. */
  #account(named: string): string {
    const wanted = named.toLowerCase();
    const { accounts } = this.#dependencies;
    const found = accounts.find(
      ({ key, user }) => key.toLowerCase() === wanted || user.toLowerCase() === wanted,
    );
    if (found !== undefined) return found.key;
    throw new OperatorError(
      'notFound',
      named === '' ? 'Neither a mailbox nor an account is named.' : `There is no account ${named}.`,
      `The accounts are ${listed(accounts.map(({ user }) => user))}.`,
    );
  }

  #audited<Value>(
    about: { readonly action: string; readonly on: string; readonly reason: string },
    actor: Actor,
    run: () => Promise<Acted<Value>>,
  ): Promise<Value> {
    return audited(this.#dependencies.audit, about, actor, run);
  }
}

function detailOf(answer: OperateAnswer): string {
  switch (answer.kind) {
    case 'done':
      return '';
    case 'unknown':
      return 'There is no such message.';
    case 'refused':
      return answer.detail;
  }
}
