// An acceptance run: opens the test mailbox, runs the checks, removes what they left in it. Most checks run side by
// side, since they mostly wait; those that measure or fill a limit run one after another at the end.
import { exchangeWait } from '../../shared/mail/exchangeWait.ts';
import { version } from '../../shared/version.ts';
import type { BridgeAccess } from './bridgeAccess.ts';
import { failed, passed, type Check, type CheckContext, type CheckResult } from './check.ts';
import { accessChecks, signInCheck } from './checks/access.ts';
import { incomingChecks } from './checks/incoming.ts';
import { limitChecks } from './checks/limits.ts';
import { outgoingChecks } from './checks/outgoing.ts';
import { arrivalFolders } from './checks/sending.ts';
import { mailboxQuestions, openQuestions, type OpenQuestion } from './questions.ts';
import { TestMailbox, type MailServers } from './testMailbox.ts';

export interface CheckReport extends CheckResult {
  readonly id: string;
  readonly title: string;
  readonly tookMs: number;
}

/** What is kept of a run. */
export interface AcceptanceReport {
  /** Of this format. */
  readonly format: 1;
  /** Of the checkout that ran it; the app's own is in the check `app`. */
  readonly version: string;
  readonly run: string;
  readonly startedAt: string;
  readonly tookMs: number;
  readonly app: string;
  readonly mailbox: string;
  readonly passedCount: number;
  readonly failedCount: number;
  readonly notDoneCount: number;
  readonly checks: readonly CheckReport[];
  /** To be sent on: no address and no name in it. */
  readonly answers: {
    readonly version: string;
    readonly date: string;
    readonly answered: readonly { readonly question: string; readonly answer: string }[];
    /** Those that this run did not answer, then those that no mailbox can. */
    readonly open: readonly OpenQuestion[];
  };
  /** What the run left behind, in sentences. */
  readonly left: readonly string[];
}

export interface RunOptions extends Omit<CheckContext, 'bridge' | 'box' | 'servers' | 'startedAt'> {
  readonly app: string;
  readonly servers: MailServers;
  readonly bridge: BridgeAccess;
  /** Only these checks, by id; all of them if absent. */
  readonly only?: readonly string[];
  /** What the run sent stays in the mailbox. */
  readonly keep?: boolean;
  readonly onResult?: (report: CheckReport) => void;
}

/** Their order in the report. */
export const checkIds: readonly string[] = [
  ...accessChecks,
  signInCheck,
  ...outgoingChecks,
  ...incomingChecks,
  ...limitChecks,
].map(({ id }) => id);

/** Runs the checks. A check that throws has failed; the run itself rejects only for a bug. */
export async function runAcceptance(options: RunOptions): Promise<AcceptanceReport> {
  const { clock, only, mailbox, run } = options;
  const startedAt = clock.now();
  const sinceMs = clock.monotonic();
  const reports: CheckReport[] = [];
  const note = (report: CheckReport): void => {
    reports.push(report);
    options.onResult?.(report);
  };
  const opened = await openMailbox(options);
  const context: CheckContext = { ...options, startedAt, box: opened.box };
  const wanted = ({ id }: Pick<Check, 'id'>): boolean => only?.includes(id) !== false;
  const perform = async (check: Check): Promise<void> => {
    if (wanted(check)) note(await performed(check, context));
  };
  for (const check of accessChecks) await perform(check);
  if (wanted(signInCheck)) note({ ...signInCheck, ...opened.result, tookMs: clock.monotonic() - sinceMs });
  const isSlow = ({ id }: Check): boolean => id === 'largeFolder';
  const together = [...outgoingChecks, ...incomingChecks].filter((check) => !isSlow(check));
  await Promise.all(together.map(perform));
  for (const check of [...incomingChecks.filter(isSlow), ...limitChecks]) await perform(check);
  const left = await cleanUp(context, options.keep ?? false);
  reports.sort((a, b) => checkIds.indexOf(a.id) - checkIds.indexOf(b.id));
  const count = (outcome: CheckResult['outcome']): number =>
    reports.filter((report) => report.outcome === outcome).length;
  return {
    format: 1,
    version,
    run,
    startedAt: new Date(startedAt).toISOString(),
    tookMs: clock.monotonic() - sinceMs,
    app: options.app,
    mailbox: mailbox.address,
    passedCount: count('passed'),
    failedCount: count('failed'),
    notDoneCount: count('notDone'),
    checks: reports,
    answers: answersOf(reports, startedAt),
    left,
  };
}

async function openMailbox({
  servers,
  mailbox,
}: RunOptions): Promise<{ readonly box: TestMailbox | undefined; readonly result: CheckResult }> {
  try {
    const box = await TestMailbox.open(servers, mailbox.address, arrivalFolders(mailbox));
    const missing = ['MOVE', 'UIDPLUS'].filter((name) => !box.capabilities.includes(name));
    const answers = {
      capabilities: box.capabilities.join(' '),
      keywords: box.keepsKeywords ? 'kept' : 'not kept',
    };
    return missing.length === 0
      ? { box, result: passed(`Logged in; Sent Items is called ${box.sentFolder}.`, answers) }
      : {
          box,
          result: failed(
            `The server does not offer ${missing.join(' and ')}.`,
            'Use afterFetch seen instead of move.',
            answers,
          ),
        };
  } catch (error) {
    return {
      box: undefined,
      result: failed(
        detailOf(error),
        `Sign in as the mailbox itself, not as yourself; IMAP must be on for it (Set-CASMailbox -ImapEnabled $true). ${exchangeWait}`,
      ),
    };
  }
}

async function performed(check: Check, context: CheckContext): Promise<CheckReport> {
  const sinceMs = context.clock.monotonic();
  const { id, title } = check;
  const result = await check.run(context).catch((error: unknown) => failed(detailOf(error)));
  return { id, title, ...result, tookMs: context.clock.monotonic() - sinceMs };
}

async function cleanUp(context: CheckContext, keep: boolean): Promise<readonly string[]> {
  const rows =
    'In the outbox: the rows of the submissions, until RETENTION_DAYS are over. On mail-status and inbound-mail, if they are used: the events and notices of this run.';
  if (context.box === undefined) return [rows];
  const mark = `[acceptance ${context.run} `;
  if (keep) {
    await context.box.close();
    return [rows, `In the mailbox: every message with “${mark.trim()}” in its subject (--keep).`];
  }
  try {
    const count = await context.box.removeMarked(mark, arrivalFolders(context.mailbox));
    return [rows, `In the mailbox: nothing; ${String(count)} messages were deleted.`];
  } catch (error) {
    return [
      rows,
      `In the mailbox: messages with “${mark.trim()}” in their subjects, since deleting failed: ${detailOf(error)}`,
    ];
  } finally {
    await context.box.close();
  }
}

function answersOf(reports: readonly CheckReport[], startedAt: number): AcceptanceReport['answers'] {
  const known = new Map(reports.flatMap(({ answers }) => Object.entries(answers ?? {})));
  const questions = Object.entries(mailboxQuestions);
  return {
    version,
    date: new Date(startedAt).toISOString().slice(0, 10),
    answered: questions.flatMap(([id, question]) => {
      const answer = known.get(id);
      return answer === undefined ? [] : [{ question, answer }];
    }),
    open: [
      ...questions
        .filter(([id]) => !known.has(id))
        .map(([, question]) => ({
          question,
          way: 'Its check was not done, or failed before: run it again.',
        })),
      ...openQuestions,
    ],
  };
}

/** imapflow puts the server's words beside its own. */
function detailOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const said: unknown = Reflect.get(error, 'responseText') ?? Reflect.get(error, 'response');
  return typeof said === 'string' && said !== '' ? `${error.message}: ${said}`.slice(0, 500) : error.message;
}
