// The outbound side, assembled: what the functions, the page and the commands call. The protocol is in
// docs/outbound.md; the simulation runs exactly this over models of its ports.
import { noteReport, type WantedReport } from './store/noteReport.ts';
import { accept, acceptOrRefuse, type AcceptAnswer, type KnownAccounts } from './accept/acceptMail.ts';
import type { Handover } from './accept/adoptBlobs.ts';
import type { Dependencies } from './dependencies.ts';
import { drain, type DrainReport } from './sending/drain.ts';
import { StopRequest } from './sending/stopRequest.ts';
import { forecastAccount, type ForecastWithHolds } from './store/forecastAccount.ts';
import type { Message } from './records/message.ts';
import { checkNumbers } from './checkNumbers.ts';
import { findMessages, type FoundPage, type MessageFilter } from './operator/find.ts';
import { readSubmitted, type SubmittedContent } from './operator/submitted.ts';
import { readSummaries, type AccountSummary } from './operator/summaries.ts';
import { operate, pauseSending, resumeSending, type OperateAnswer } from './operator/operate.ts';
import {
  listExports,
  restoreExport,
  type RestoreReport,
  type RestoreRequest,
} from './operator/restoreExport.ts';
import { exportOutbox, type ExportReport } from './upkeep/exportOutbox.ts';
import { prune, type PruneReport } from './upkeep/prune.ts';
import { returned } from './accept/returned.ts';
import { probeAfterSignIn } from './operator/signedIn.ts';
import { acquireSmtpSlot, type SmtpSlot } from './sending/smtpSlot.ts';
import { listAccounts, sweep } from './upkeep/sweep.ts';
import {
  listForPerson,
  listRecent,
  listUnreadable,
  readAccount,
  readSubmission,
  type AccountView,
  type Listed,
  type UnreadableMessage,
} from './operator/watch.ts';

export type AccountForecast = ForecastWithHolds & { readonly account: string };

interface Which {
  readonly account: string;
  readonly id: string;
  /** Who acts, for the message's history. */
  readonly by: string;
}

/** Every method throws StorageTrouble if the store fails for long; the host then delivers again. */
export interface Outbound {
  /** One submission, as a queue or a request delivers it. Never throws for what a caller did. */
  accept(payload: unknown): Promise<AcceptAnswer>;
  /** One submission of a request: what is wrong with it is only returned, and nothing of it is kept. */
  acceptOrRefuse(payload: unknown, handover: Handover): Promise<AcceptAnswer>;
  /** Mail that the SMTP intake took and that will not be sent, wholly or in part: a report for its mailbox. */
  noteFailure(wanted: WantedReport): Promise<void>;
  /** What a message on `outbound-wake` asks for; `owner` is the invocation's id. */
  drain(account: string, owner: string): Promise<DrainReport>;
  /**
   * The process is about to end: drains claim nothing more, settle what has its reply, close their connections, release
   * their leases and send wake-ups. Resolves within 4 s, never throws.
   */
  stop(): Promise<void>;
  sweep(): Promise<void>;
  /** The text of a submission that came back from the poison queue: deliver it again, or it was rejected. */
  returned(text: string): Promise<'again' | 'rejected'>;
  prune(): Promise<PruneReport>;

  cancel(which: Which): Promise<OperateAnswer>;
  replay(which: Which): Promise<OperateAnswer>;
  markSent(which: Which): Promise<OperateAnswer>;
  /** A message in doubt becomes a dead letter, which can be sent again. */
  markNotSent(which: Which): Promise<OperateAnswer>;
  remove(which: Which): Promise<OperateAnswer>;
  pause(which: { readonly account: string; readonly mailbox?: string; readonly by: string }): Promise<void>;
  resume(which: { readonly account: string; readonly mailbox?: string }): Promise<void>;

  /** Copies the unfinished messages of every account, with their contents, to the export container; daily. */
  exportOutbox(): Promise<ExportReport | undefined>;
  /** Names of the complete exports that are kept, the newest last. */
  exports(): Promise<readonly string[]>;
  /** Brings back what an export has and the outbox lost; each message waits for a person. */
  restore(request: RestoreRequest): Promise<RestoreReport>;

  /** A person has signed the account in: holds for want of a sign-in are probed now. */
  signedIn(account: string): Promise<void>;

  /** Access to the server for the doctor: lease, connection and slot, as for a message. */
  acquireSmtpSlot(account: string, owner: string): Promise<SmtpSlot>;

  /** Keys of every account that ever had a message. */
  accounts(): Promise<readonly string[]>;
  forecast(account: string): Promise<ForecastWithHolds>;
  /** Of every account in the settings. */
  forecasts(): Promise<readonly AccountForecast[]>;
  watch(account: string): Promise<AccountView>;
  message(
    account: string,
    id: string,
  ): Promise<{ readonly message: Message; readonly sending: boolean } | undefined>;
  /** What was submitted; undefined if it is no longer kept. */
  content(message: Message): Promise<SubmittedContent | undefined>;
  /** A page of what a filter finds, over all accounts. Throws a RangeError for an `after` that is not one of ours. */
  find(filter: MessageFilter, page: { readonly limit: number; readonly after?: string }): Promise<FoundPage>;
  /** What the sweep last stored of every account. */
  summaries(): Promise<readonly AccountSummary[]>;
  recent(account: string, limit: number): Promise<readonly Listed[]>;
  forPerson(
    account: string,
    which: 'failed' | 'unresolved' | 'inDoubt',
    limit: number,
  ): Promise<readonly Message[]>;
  /** Messages whose rows can't be read: `replay` puts one back once it can be, `remove` deletes it. */
  unreadable(account: string, limit: number): Promise<readonly UnreadableMessage[]>;
}

/** Throws a RangeError if the numbers and limits would need rows larger than a row can be. */
export function createOutbound(dependencies: Dependencies): Outbound {
  const problems = checkNumbers(dependencies.numbers, dependencies.accounts);
  if (problems.length > 0) throw new RangeError(problems.map(({ detail }) => detail).join(' '));
  const known: KnownAccounts = new Set();
  const stopRequest = new StopRequest(dependencies.clock);
  return {
    accept: (payload) => accept(payload, known, dependencies),
    acceptOrRefuse: (payload, handover) => acceptOrRefuse(payload, handover, known, dependencies),
    noteFailure: (wanted) => noteReport(wanted, dependencies),
    drain: (account, owner) => drain(account, owner, dependencies, stopRequest),
    stop: () => stopRequest.request(),
    sweep: () => sweep(dependencies),
    returned: (text) => returned(text, dependencies),
    prune: () => prune(dependencies),
    cancel: (which) => operate('cancel', which, dependencies),
    replay: (which) => operate('replay', which, dependencies),
    markSent: (which) => operate('markSent', which, dependencies),
    markNotSent: (which) => operate('markNotSent', which, dependencies),
    remove: (which) => operate('remove', which, dependencies),
    pause: (which) => pauseSending(which, dependencies),
    resume: (which) => resumeSending(which, dependencies),
    exportOutbox: () => exportOutbox(dependencies),
    exports: () => listExports(dependencies),
    restore: (request) => restoreExport(request, dependencies),
    signedIn: (account) => probeAfterSignIn(account, dependencies),
    acquireSmtpSlot: (account, owner) => acquireSmtpSlot(account, owner, dependencies),
    accounts: () => listAccounts(dependencies),
    forecast: (account) => forecastAccount(account, dependencies),
    forecasts: () =>
      Promise.all(
        dependencies.accounts.map(async ({ key }) => ({
          account: key,
          ...(await forecastAccount(key, dependencies)),
        })),
      ),
    watch: (account) => readAccount(account, dependencies),
    message: (account, id) => readSubmission(account, id, dependencies),
    content: (message) => readSubmitted(message, dependencies),
    find: (filter, page) => findMessages(filter, page, dependencies),
    summaries: () => readSummaries(dependencies),
    recent: (account, limit) => listRecent(account, limit, dependencies),
    forPerson: (account, which, limit) => listForPerson(account, which, limit, dependencies),
    unreadable: (account, limit) => listUnreadable(account, limit, dependencies),
  };
}
