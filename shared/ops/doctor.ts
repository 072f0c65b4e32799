// The doctor: walks the way that mail takes, step by step, sends nothing, and names the first thing that is wrong.
//
//   settings → vault → token (its claims read) → IMAP login → folder → Sent Items → SMTP login → MAIL, RCPT, RSET
//   → the deployed address, as a stranger sees it
//
// A step whose ground is missing is not tried. IMAP and SMTP are tried each on its own, because how one fares
// tells what the other's refusal means. SMTP is spoken only under the account's lease, connection and slot, like
// any message.
import type { Clock } from '../clock.ts';
import type { Imap, ImapTrouble, Mailboxes } from '../inbound/ports.ts';
import type { AccessTokens, TokenAnswer } from '../mail/accessToken.ts';
import type { Account, Mailbox } from '../mail/mailbox.ts';
import { grantName } from '../oauth/grants.ts';
import type { Grants } from '../oauth/grants.ts';
import { TagKeyTrouble } from '../oauth/tagKey.ts';
import type { Budget, Relay, RelayFailure, SentItems } from '../outbound/ports.ts';
import type { Cause } from './cause.ts';
import { imapCauses, smtpCauses } from './causes.ts';
import type { Circumstances } from './causes.ts';
import { judgeClaims, readClaims } from './claims.ts';
import type { TokenClaims } from './claims.ts';
import { examineOutside } from './outside.ts';
import type { GuardedRoute } from './outside.ts';

export type StepName =
  | 'settings'
  | 'vault'
  | 'token'
  | 'imapLogin'
  | 'folder'
  | 'sentItems'
  | 'smtpLogin'
  | 'envelope'
  | 'outside';

export interface Step {
  readonly step: StepName;
  readonly ok: boolean;
  readonly ms: number;
}

/** What the doctor found; as JSON it is the command's answer. */
export interface Diagnosis {
  readonly mailbox: string;
  readonly ok: boolean;
  readonly steps: readonly Step[];
  /** The likeliest first; empty where all is well. */
  readonly causes: readonly Cause[];
}

/** The right to one SMTP dialog: the account's lease, one of its connections and a slot of its minute. */
export type SmtpTurn =
  | { readonly kind: 'granted'; readonly budget: Budget; release(): Promise<void> }
  | { readonly kind: 'busy'; readonly detail: string };

export interface DoctorParts {
  readonly mailboxes: readonly Mailbox[];
  readonly accounts: readonly Account[];
  /** From the settings. */
  readonly tenant: string;
  readonly tokens: AccessTokens;
  readonly grants: Grants;
  /** Asks the vault itself, not a memory of it; rejects where it does not answer. */
  readonly askVault: () => Promise<unknown>;
  readonly imap: Mailboxes;
  readonly sentItems: SentItems;
  readonly relay: Relay;
  readonly smtpTurn: (account: Account) => Promise<SmtpTurn>;
  /** The deployed app and its routes that need a key or a role; absent where nothing is deployed. */
  readonly outside?: { readonly base: string; readonly routes: readonly GuardedRoute[] };
  readonly clock: Clock;
}

const IMAP_MS = 60_000;

/** What is said where the settings cannot be used: the first step is the last. */
export function settingsDiagnosis(
  address: string,
  problems: readonly { readonly setting: string; readonly detail: string }[],
  ms: number,
): Diagnosis {
  return {
    mailbox: address,
    ok: false,
    steps: [{ step: 'settings', ok: false, ms: Math.round(ms) }],
    causes: problems.map(({ setting, detail }) => {
      const at = detail.search(/[;:] /);
      return {
        cause: at === -1 ? detail : detail.slice(0, at),
        remedy: at === -1 ? 'See docs/settings.md.' : detail.slice(at + 2),
        evidence: setting,
      };
    }),
  };
}

/** Examines one mailbox. Never throws for what is wrong with it. */
export async function examine(address: string, parts: DoctorParts): Promise<Diagnosis> {
  const { clock } = parts;
  const steps: Step[] = [];
  const causes: Cause[] = [];
  const note = <Value>(step: StepName, since: number, value: Value | undefined): Value | undefined => {
    steps.push({ step, ok: value !== undefined, ms: Math.round(clock.monotonic() - since) });
    return value;
  };
  const end = (): Diagnosis => ({
    mailbox: address,
    ok: causes.length === 0 && steps.every(({ ok }) => ok),
    steps,
    causes,
  });

  let since = clock.monotonic();
  const mailbox = note(
    'settings',
    since,
    parts.mailboxes.find((one) => one.address.toLowerCase() === address.toLowerCase()),
  );
  if (mailbox === undefined) {
    causes.push({
      cause: 'No mailbox with this address is in the settings.',
      remedy: 'Add it to MAILBOXES, or correct the address.',
      evidence: `MAILBOXES has ${parts.mailboxes.length} mailboxes.`,
    });
    return end();
  }

  since = clock.monotonic();
  const vault = await vaultTrouble(parts.askVault);
  note('vault', since, vault === undefined ? true : undefined);
  if (vault !== undefined) causes.push(vault);

  since = clock.monotonic();
  // Not the token in memory: what was revoked or disabled minutes ago shows in a new one only.
  const answer = await parts.tokens.get(mailbox, 'imap', { renew: true });
  const claims = answer.kind === 'token' ? readClaims(answer.token) : undefined;
  const tokenCauses =
    answer.kind === 'token'
      ? claims === undefined
        ? []
        : judgeClaims(claims, { tenant: parts.tenant, mailbox })
      : [tokenCause(answer)];
  note('token', since, tokenCauses.length === 0 ? true : undefined);
  // A vault that is down is the reason why there is no token, not one more thing that is wrong.
  if (vault === undefined || answer.kind === 'token') causes.push(...tokenCauses);
  if (answer.kind !== 'token') return end();

  const known = await circumstances(mailbox, claims, parts);
  const imap = mailbox.receive ? await tryImap(mailbox, parts, note) : undefined;
  if (mailbox.send && (imap === undefined || imap === 'ok')) {
    const looked = await trySentItems(mailbox, parts, note);
    if (looked !== undefined) causes.push(looked);
  }
  const smtp = mailbox.send ? await trySmtp(mailbox, parts, note) : undefined;
  const worked = (result: unknown): { readonly otherWorked?: boolean } =>
    result === undefined ? {} : { otherWorked: result === 'ok' };
  const open = parts.outside === undefined ? [] : await tryOutside(parts.outside, parts, note);
  if (imap !== undefined && imap !== 'ok') causes.push(...imapCauses(imap, { ...known, ...worked(smtp) }));
  if (smtp !== undefined && smtp !== 'ok') {
    const found = 'cause' in smtp ? [smtp] : smtpCauses(smtp, { ...known, ...worked(imap) });
    // A store that does not answer was met at the vault's row already.
    causes.push(...found.filter(({ cause }) => !causes.some((one) => one.cause === cause)));
  }
  causes.push(...open);
  return end();
}

type Note = <Value>(step: StepName, since: number, value: Value | undefined) => Value | undefined;

async function circumstances(
  mailbox: Mailbox,
  claims: TokenClaims | undefined,
  { grants, clock }: DoctorParts,
): Promise<Circumstances> {
  const state =
    mailbox.signIn === 'delegated'
      ? await grants.state(grantName(mailbox.address)).catch(() => undefined)
      : undefined;
  return {
    mailbox,
    now: clock.now(),
    ...(claims === undefined ? {} : { claims }),
    ...(state === undefined ? {} : { consentedAt: state.consentedAt }),
  };
}

async function tryImap(mailbox: Mailbox, parts: DoctorParts, note: Note): Promise<'ok' | ImapTrouble> {
  const since = parts.clock.monotonic();
  const opened: Imap<{ readonly session: { close(): Promise<void> } }> = await parts.imap.open(
    mailbox,
    timeLeft(parts.clock),
  );
  if (opened.kind === 'ok') {
    note('imapLogin', since, true);
    note('folder', since, true);
    await opened.session.close();
    return 'ok';
  }
  const { trouble } = opened;
  const loggedIn = trouble.kind === 'folderMissing';
  note('imapLogin', since, loggedIn ? true : undefined);
  if (loggedIn) note('folder', since, undefined);
  return trouble;
}

async function trySentItems(mailbox: Mailbox, parts: DoctorParts, note: Note): Promise<Cause | undefined> {
  const since = parts.clock.monotonic();
  const account = accountOf(mailbox, parts);
  if (account === undefined) return undefined;
  const wanted = [{ bridgeId: 'doctor.0', notBefore: parts.clock.now() }];
  const answer = await parts.sentItems.look(account, mailbox, wanted, timeLeft(parts.clock));
  note('sentItems', since, answer.kind === 'looked' ? true : undefined);
  return answer.kind === 'looked'
    ? undefined
    : {
        cause: 'Sent Items cannot be read, so that a message in doubt could not be looked for.',
        remedy:
          'Give the sign-in IMAP access to the mailbox that logs in to SMTP (see the IMAP step), or leave messages in doubt to a person (IN_DOUBT=hold).',
        evidence: answer.detail,
      };
}

async function trySmtp(
  mailbox: Mailbox,
  parts: DoctorParts,
  note: Note,
): Promise<'ok' | RelayFailure | Cause | undefined> {
  const account = accountOf(mailbox, parts);
  if (account === undefined) return undefined;
  let since = parts.clock.monotonic();
  const turn = await parts.smtpTurn(account).catch(storeCause);
  if (!('kind' in turn) || turn.kind === 'busy') {
    note('smtpLogin', since, undefined);
    return 'kind' in turn ? busyCause(turn.detail) : turn;
  }
  try {
    const connected = await parts.relay.connect(account, turn.budget);
    if (connected.kind === 'failed') {
      note('smtpLogin', since, undefined);
      return connected.failure;
    }
    note('smtpLogin', since, true);
    since = parts.clock.monotonic();
    const probed = await connected.connection.probe(
      { from: mailbox.address, to: [mailbox.address] },
      turn.budget,
    );
    note('envelope', since, probed.kind === 'ok' ? true : undefined);
    await connected.connection.close();
    return probed.kind === 'ok' ? 'ok' : probed.failure;
  } finally {
    // A lease that cannot be given back runs out by itself.
    await turn.release().catch(() => undefined);
  }
}

async function tryOutside(
  { base, routes }: NonNullable<DoctorParts['outside']>,
  { clock }: DoctorParts,
  note: Note,
): Promise<readonly Cause[]> {
  const since = clock.monotonic();
  const open = await examineOutside(base, routes);
  note('outside', since, open.length === 0 ? true : undefined);
  return open;
}

/** The account that the mailbox sends through, opened with this mailbox's own token. */
function accountOf(mailbox: Mailbox, { accounts }: DoctorParts): Account | undefined {
  const account = accounts.find(({ user }) => user.toLowerCase() === mailbox.smtpUser.toLowerCase());
  return account === undefined ? undefined : { ...account, mailboxes: [mailbox] };
}

function timeLeft(clock: Clock): Budget {
  const endsAt = clock.monotonic() + IMAP_MS;
  return { remainingMs: () => endsAt - clock.monotonic() };
}

async function vaultTrouble(askVault: DoctorParts['askVault']): Promise<Cause | undefined> {
  try {
    await askVault();
    return undefined;
  } catch (error) {
    // Which version counts is in a row: what is not the vault's trouble is the store's.
    return error instanceof TagKeyTrouble ? sentencesAsCause(error.message) : storeCause();
  }
}

function tokenCause({ detail }: Exclude<TokenAnswer, { kind: 'token' }>): Cause {
  return sentencesAsCause(detail);
}

/** This project's words begin with what happened and go on with what to do. */
function sentencesAsCause(detail: string): Cause {
  const [, cause = detail, rest = ''] = /^(.+?[.;:])\s+(.+)$/.exec(detail) ?? [];
  const reference = /\(([^()]+)\)\s*$/.exec(rest)?.[1];
  return { cause, remedy: rest === '' ? 'Try again in some minutes.' : rest, evidence: reference ?? detail };
}

function storeCause(): Cause {
  return {
    cause: 'The storage account does not answer, or lets the program not in.',
    remedy:
      'Check MailStore, the identity’s role Storage Table Data Contributor (Storage account → Access control) and the account’s firewall (Networking).',
    evidence: 'The account’s row could not be read or written.',
  };
}

function busyCause(detail: string): Cause {
  return {
    cause: 'The account is sending at this moment, and the doctor waits its turn like a message.',
    remedy: 'Try again in a minute.',
    evidence: detail,
  };
}
