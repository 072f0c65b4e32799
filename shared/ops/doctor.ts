// The doctor: checks every step that mail takes, sends nothing, and names what is wrong, with its cause and remedy.
//
//   settings → vault → keys of HTTP callers → token (its claims read) → IMAP login → folder → Sent Items → SMTP login → MAIL, RCPT, RSET
//   → the folder of failure reports, if an SMTP intake reports → the deployed address, from outside without credentials
//
// A step is skipped if the one that it needs failed. IMAP and SMTP are tried independently, because the result of one
// shows what the other's refusal means. SMTP is used only under the account's lease, connection and slot, like any
// message.
import { present } from '../mail/omit.ts';
import type { Clock } from '../clock.ts';
import type { ImapResult, ImapTrouble, Mailboxes } from '../inbound/ports.ts';
import type { AccessTokens } from '../mail/accessToken.ts';
import { mailboxAt } from '../mail/accounts.ts';
import { messageOf } from '../mail/foreign.ts';
import { sameAddress } from '../mail/address.ts';
import type { Account, Mailbox } from '../mail/mailbox.ts';
import { grantName, type Grants } from '../oauth/grants.ts';
import { TagKeyError } from '../oauth/tagKey.ts';
import { deadline, type TimeLeft } from '../deadline.ts';
import type { Relay, RelayFailure, SentItems } from '../outbound/ports.ts';
import type { Cause } from './cause.ts';
import { imapCauses, smtpCauses, type Circumstances } from './causes.ts';
import { judgeClaims, readClaims, type TokenClaims } from './claims.ts';
import { examineOutside, type GuardedRoute } from './outside.ts';

export type StepName =
  | 'settings'
  | 'vault'
  | 'keys'
  | 'token'
  | 'imapLogin'
  | 'folder'
  | 'sentItems'
  | 'smtpLogin'
  | 'envelope'
  | 'failureReports'
  | 'outside';

export interface Step {
  readonly step: StepName;
  readonly ok: boolean;
  readonly ms: number;
}

/** The doctor's findings; as JSON it is the command's output. */
export interface Diagnosis {
  readonly mailbox: string;
  readonly ok: boolean;
  readonly steps: readonly Step[];
  /** The likeliest first; empty if everything works. */
  readonly causes: readonly Cause[];
}

/** The right to one SMTP dialog: the account's lease, one of its connections and a slot of its minute. */
export type SmtpSlot =
  | { readonly kind: 'granted'; readonly budget: TimeLeft; release(): Promise<void> }
  | { readonly kind: 'busy'; readonly detail: string };

export interface DoctorDependencies {
  readonly mailboxes: readonly Mailbox[];
  readonly accounts: readonly Account[];
  /** From the settings. */
  readonly tenant: string;
  readonly tokens: AccessTokens;
  readonly grants: Grants;
  /** Reads from the vault itself, not from memory; rejects if it does not answer. */
  readonly askVault: () => Promise<unknown>;
  /** The callers whose keys the vault has; throws an Error with detail and remedy if they can't be read. Absent: not asked. */
  readonly callers?: () => Promise<
    readonly { readonly name: string; readonly mailboxes?: readonly string[] | undefined }[]
  >;
  /** Whether an SMTP intake reports, so that failure reports are wanted. */
  readonly hasIntake?: () => Promise<boolean>;
  readonly imap: Mailboxes;
  readonly sentItems: SentItems;
  readonly relay: Relay;
  readonly acquireSmtpSlot: (account: Account) => Promise<SmtpSlot>;
  /** The deployed app and its routes that need a key or a role; absent if nothing is deployed. */
  readonly outside?: { readonly base: string; readonly routes: readonly GuardedRoute[] };
  readonly clock: Clock;
}

const imapMs = 60_000;

/** Examines one mailbox. Never throws for what is wrong with it. */
export async function examine(address: string, dependencies: DoctorDependencies): Promise<Diagnosis> {
  const { clock } = dependencies;
  const steps: Step[] = [];
  const causes: Cause[] = [];
  const note: Note = (step, since, ok) => {
    steps.push({ step, ok, ms: Math.round(clock.monotonic() - since) });
  };
  const end = (): Diagnosis => ({
    mailbox: address,
    ok: causes.length === 0 && steps.every(({ ok }) => ok),
    steps,
    causes,
  });

  let since = clock.monotonic();
  const mailbox = mailboxAt(dependencies.mailboxes, address);
  note('settings', since, mailbox !== undefined);
  if (mailbox === undefined) {
    causes.push({
      cause: 'No mailbox with this address is in the settings.',
      remedy: 'Add it to MAILBOXES, or correct the address.',
      evidence: `MAILBOXES has ${dependencies.mailboxes.length} mailboxes.`,
    });
    return end();
  }

  since = clock.monotonic();
  const vault = await vaultTrouble(dependencies.askVault);
  note('vault', since, vault === undefined);
  if (vault !== undefined) causes.push(vault);

  causes.push(...(vault === undefined ? await tryKeys(dependencies, note) : []));

  since = clock.monotonic();
  // Not the token in memory: a revocation minutes ago shows only when a new one is requested.
  const answer = await dependencies.tokens.get(mailbox, 'imap', { renew: true });
  const claims = answer.kind === 'token' ? readClaims(answer.token) : undefined;
  const tokenCauses =
    answer.kind === 'token'
      ? claims === undefined
        ? []
        : judgeClaims(claims, { tenant: dependencies.tenant, mailbox })
      : [causeOf(answer.detail)];
  note('token', since, tokenCauses.length === 0);
  // A vault that is down is the reason why there is no token, not a second fault.
  if (vault === undefined || answer.kind === 'token') causes.push(...tokenCauses);
  if (answer.kind !== 'token') return end();

  const known = await circumstances(mailbox, claims, dependencies);
  const imap = mailbox.receive ? await tryImap(mailbox, dependencies, note) : undefined;
  if (mailbox.send && (imap === undefined || imap === 'ok')) {
    const looked = await trySentItems(mailbox, dependencies, note);
    if (looked !== undefined) causes.push(looked);
  }
  const smtp = mailbox.send ? await trySmtp(mailbox, dependencies, note) : undefined;
  const reports = await tryReports(mailbox, dependencies, note);
  const worked = (result: unknown): { readonly otherWorked?: boolean } =>
    result === undefined ? {} : { otherWorked: result === 'ok' };
  const open =
    dependencies.outside === undefined ? [] : await tryOutside(dependencies.outside, dependencies, note);
  if (imap !== undefined && imap !== 'ok') causes.push(...imapCauses(imap, { ...known, ...worked(smtp) }));
  if (smtp !== undefined && smtp !== 'ok') {
    const found = 'cause' in smtp ? [smtp] : smtpCauses(smtp, { ...known, ...worked(imap) });
    // A store that does not answer was reported at the vault's row already.
    causes.push(...found.filter(({ cause }) => !causes.some((one) => one.cause === cause)));
  }
  // Without a log-in the reason is named already.
  if (reports !== undefined && (imap === undefined || imap === 'ok')) causes.push(reports);
  causes.push(...open);
  return end();
}

type Note = (step: StepName, since: number, ok: boolean) => void;

async function circumstances(
  mailbox: Mailbox,
  claims: TokenClaims | undefined,
  { grants, clock }: DoctorDependencies,
): Promise<Circumstances> {
  const state =
    mailbox.signIn === 'delegated'
      ? await grants.state(grantName(mailbox.address)).catch(() => undefined)
      : undefined;
  return {
    mailbox,
    now: clock.now(),
    ...present({ claims }),
    ...(state === undefined ? {} : { consentedAt: state.consentedAt }),
  };
}

async function tryImap(
  mailbox: Mailbox,
  dependencies: DoctorDependencies,
  note: Note,
): Promise<'ok' | ImapTrouble> {
  const since = dependencies.clock.monotonic();
  const opened: ImapResult<{ readonly session: { close(): Promise<void> } }> = await dependencies.imap.open(
    mailbox,
    deadline(dependencies.clock, imapMs),
  );
  if (opened.kind === 'ok') {
    note('imapLogin', since, true);
    note('folder', since, true);
    await opened.session.close();
    return 'ok';
  }
  const { trouble } = opened;
  const loggedIn = trouble.kind === 'folderMissing';
  note('imapLogin', since, loggedIn);
  if (loggedIn) note('folder', since, false);
  return trouble;
}

/** Whether the keys can be read; and whether each caller is limited to mailboxes that are served. */
async function tryKeys(
  { callers, mailboxes, clock }: DoctorDependencies,
  note: Note,
): Promise<readonly Cause[]> {
  if (callers === undefined) return [];
  const since = clock.monotonic();
  try {
    const lost = (await callers()).flatMap(({ name, mailboxes: limited = [] }) =>
      limited
        .filter((address) => mailboxAt(mailboxes, address) === undefined)
        .map((address) => ({ name, address })),
    );
    note('keys', since, lost.length === 0);
    return lost.slice(0, mostLost).map(({ name, address }) => ({
      cause: `The key of ${name} is for a mailbox that is not in the settings.`,
      remedy:
        'Add the mailbox to MAILBOXES, or revoke the caller and create it with the right one (npm run keys).',
      evidence: address,
    }));
  } catch (error) {
    note('keys', since, false);
    return [causeOf(messageOf(error))];
  }
}

const mostLost = 5;

/** Failure reports are put into a folder of the mailbox, which must be open for writing. */
async function tryReports(
  mailbox: Mailbox,
  { hasIntake, imap, clock }: DoctorDependencies,
  note: Note,
): Promise<Cause | undefined> {
  const { failureReports = { folder: 'INBOX' } } = mailbox;
  if (!mailbox.send || failureReports === 'off' || hasIntake === undefined) return undefined;
  if (!(await hasIntake().catch(() => false))) return undefined;
  const since = clock.monotonic();
  const { folder } = failureReports;
  const opened = await imap.open(
    { ...mailbox, folder, afterFetch: { kind: 'seen' } },
    deadline(clock, imapMs),
  );
  note('failureReports', since, opened.kind === 'ok');
  if (opened.kind === 'ok') {
    await opened.session.close();
    return undefined;
  }
  return {
    cause: 'Failure reports can’t be put into this mailbox.',
    remedy:
      'Turn IMAP on for the mailbox and give the sign-in its permission; name a folder that exists in failureReports of MAILBOXES; or write "failureReports":"off".',
    evidence: `${folder}: ${opened.trouble.detail}`,
  };
}

async function trySentItems(
  mailbox: Mailbox,
  dependencies: DoctorDependencies,
  note: Note,
): Promise<Cause | undefined> {
  const since = dependencies.clock.monotonic();
  const account = accountOf(mailbox, dependencies);
  if (account === undefined) return undefined;
  const wanted = [{ bridgeId: 'doctor.0', notBefore: dependencies.clock.now() }];
  const answer = await dependencies.sentItems.search(
    account,
    mailbox,
    wanted,
    deadline(dependencies.clock, imapMs),
  );
  note('sentItems', since, answer.kind === 'searched');
  return answer.kind === 'searched'
    ? undefined
    : {
        cause: 'Sent Items cannot be read, so a message in doubt could not be looked up.',
        remedy:
          'Give the sign-in IMAP access to the mailbox that logs in to SMTP (see the IMAP step), or hold messages in doubt for a person (IN_DOUBT=hold).',
        evidence: answer.detail,
      };
}

async function trySmtp(
  mailbox: Mailbox,
  dependencies: DoctorDependencies,
  note: Note,
): Promise<'ok' | RelayFailure | Cause | undefined> {
  const account = accountOf(mailbox, dependencies);
  if (account === undefined) return undefined;
  let since = dependencies.clock.monotonic();
  const turn = await dependencies.acquireSmtpSlot(account).catch(storeCause);
  if (!('kind' in turn) || turn.kind === 'busy') {
    note('smtpLogin', since, false);
    return 'kind' in turn ? busyCause(turn.detail) : turn;
  }
  try {
    const connected = await dependencies.relay.connect(account, turn.budget);
    if (connected.kind === 'failed') {
      note('smtpLogin', since, false);
      return connected.failure;
    }
    note('smtpLogin', since, true);
    since = dependencies.clock.monotonic();
    const probed = await connected.connection.probe(
      { from: mailbox.address, to: [mailbox.address] },
      turn.budget,
    );
    note('envelope', since, probed.kind === 'ok');
    await connected.connection.close();
    return probed.kind === 'ok' ? 'ok' : probed.failure;
  } finally {
    // A lease that cannot be released expires by itself.
    await turn.release().catch(() => undefined);
  }
}

async function tryOutside(
  { base, routes }: NonNullable<DoctorDependencies['outside']>,
  { clock }: DoctorDependencies,
  note: Note,
): Promise<readonly Cause[]> {
  const since = clock.monotonic();
  const open = await examineOutside(base, routes);
  note('outside', since, open.length === 0);
  return open;
}

/** The account that the mailbox sends through, opened with this mailbox's own token. */
function accountOf(mailbox: Mailbox, { accounts }: DoctorDependencies): Account | undefined {
  const account = accounts.find(({ user }) => sameAddress(user, mailbox.smtpUser));
  return account === undefined ? undefined : { ...account, mailboxes: [mailbox] };
}

async function vaultTrouble(askVault: DoctorDependencies['askVault']): Promise<Cause | undefined> {
  try {
    await askVault();
    return undefined;
  } catch (error) {
    // Which version counts is in a row: a failure that is not the vault's is the store's.
    return error instanceof TagKeyError ? causeOf(error.message) : storeCause();
  }
}

/** A detail of this project begins with what happened and continues with what to do. */
function causeOf(detail: string): Cause {
  const [, cause = detail, rest = ''] = /^(.+?[.;:])\s+(.+)$/.exec(detail) ?? [];
  const reference = /\(([^()]+)\)\s*$/.exec(rest)?.[1];
  return { cause, remedy: rest === '' ? 'Try again in some minutes.' : rest, evidence: reference ?? detail };
}

function storeCause(): Cause {
  return {
    cause: 'The storage account does not answer, or denied access.',
    remedy:
      'Check MailStore, the identity’s role Storage Table Data Contributor (Storage account → Access control) and the account’s firewall (Networking).',
    evidence: 'The account’s row could not be read or written.',
  };
}

function busyCause(detail: string): Cause {
  return {
    cause: 'The account is sending at the moment, and its limits leave no room for the doctor.',
    remedy: 'Try again in a minute.',
    evidence: detail,
  };
}
