// Who may log in to which mailbox, and as whom a mailbox may send. The four refusals that Exchange Online
// distinguishes are distinguished here: no such login, basic authentication, SMTP AUTH switched off, and (IMAP only)
// authenticated but without access to that mailbox.

/** The authority's verdict on a token. Supplied by the caller, since the emulator has no keys. */
export type TokenVerdict =
  | {
      readonly kind: 'ok';
      /** The audience is Exchange Online. */
      readonly audienceOk: boolean;
      /** Delegated: the user whom the token speaks for. */
      readonly user?: string;
      /** Application: the application (its service principal) that holds the token. */
      readonly app?: string;
      readonly scopes: readonly string[];
      readonly roles: readonly string[];
      /** UTC milliseconds. */
      readonly expiresAt: number;
    }
  | { readonly kind: 'bad'; readonly why: string };

export type TokenCheck = (token: string) => TokenVerdict | Promise<TokenVerdict>;

export interface AccountOptions {
  readonly address: string;
  /** The sign-in name, where it differs from the address: then a login by address is "not connected". */
  readonly upn?: string;
  /** `offMailbox` and `offTenant` are the two texts of 535 5.7.139. */
  readonly smtpAuth?: 'on' | 'offMailbox' | 'offTenant';
  readonly imap?: 'on' | 'off';
  /** A shared mailbox: its delegates may read it, but nobody can log in to SMTP as it with a user's token. */
  readonly shared?: boolean;
  /** Users with Full Access, besides the mailbox's own. */
  readonly delegates?: readonly string[];
  /** Applications with Full Access; every application if absent. */
  readonly apps?: readonly string[];
  /** Applications that may send through SMTP by an App RBAC role, without a role in their token. */
  readonly rbacApps?: readonly string[];
  /** Mailboxes and applications that may send as this address. */
  readonly sendAs?: readonly string[];
  /** Names of the folders: `Sent Items`, `Lähetetyt`, `Skickat`. */
  readonly language?: Language;
  /** Largest message that it may send, 35 MB unless set. */
  readonly sendSizeBytes?: number;
  /** Full: submissions are refused with 554 5.2.2. */
  readonly full?: boolean;
}

export type Language = 'en' | 'fi' | 'sv';

export type SmtpLogin = 'ok' | 'refused' | 'offMailbox' | 'offTenant';
/** `notConnected`: AUTHENTICATE succeeds, every command after it fails. */
export type ImapLogin = 'ok' | 'refused' | 'notConnected';

type GoodToken = Extract<TokenVerdict, { kind: 'ok' }>;

export class Accounts {
  readonly #byAddress = new Map<string, AccountOptions>();

  constructor(accounts: readonly AccountOptions[]) {
    for (const account of accounts) this.set(account);
  }

  /** Adds an account or changes what is known of it. */
  set(account: AccountOptions): void {
    this.#byAddress.set(sameAddress(account.address), account);
  }

  get(address: string): AccountOptions | undefined {
    return this.#byAddress.get(sameAddress(address));
  }

  /** The account with that sign-in name or address. */
  byLogin(login: string): AccountOptions | undefined {
    const wanted = sameAddress(login);
    for (const account of this.#byAddress.values()) {
      if (account.upn !== undefined && sameAddress(account.upn) === wanted) return account;
    }
    return this.get(login);
  }

  /** May the token's holder log in to SMTP as `account`? */
  smtpLogin(account: AccountOptions, verdict: TokenVerdict, now: number): SmtpLogin {
    if (verdict.kind === 'bad' || !verdict.audienceOk || verdict.expiresAt <= now) return 'refused';
    if (!this.#maySendThrough(account, verdict)) return 'refused';
    return account.smtpAuth === undefined || account.smtpAuth === 'on' ? 'ok' : account.smtpAuth;
  }

  #maySendThrough(account: AccountOptions, token: GoodToken): boolean {
    if (token.app !== undefined) {
      if (account.rbacApps?.includes(token.app) === true) return true;
      return hasRole(token, 'SMTP.SendAsApp') && appMay(account, token.app);
    }
    // Measured by others: a delegate's token with the shared address in user= gives 535 5.7.3.
    if (account.shared === true || token.user === undefined) return false;
    return hasScope(token, 'SMTP.Send') && isLogin(account, token.user);
  }

  /** May the token's holder open `account` over IMAP, having named it as `login`? */
  imapLogin(account: AccountOptions, login: string, verdict: TokenVerdict, now: number): ImapLogin {
    if (verdict.kind === 'bad' || !verdict.audienceOk || verdict.expiresAt <= now) return 'refused';
    const app = verdict.app;
    const allowed =
      app === undefined ? hasScope(verdict, 'IMAP.AccessAsUser.All') : hasRole(verdict, 'IMAP.AccessAsApp');
    if (!allowed) return 'refused';
    if (account.imap === 'off') return 'notConnected';
    if (app !== undefined) {
      // Seen app-only: the login had to equal the UPN.
      const isUpn = sameAddress(login) === sameAddress(account.upn ?? account.address);
      return isUpn && appMay(account, app) ? 'ok' : 'notConnected';
    }
    const user = verdict.user ?? '';
    const own = account.shared !== true && isLogin(account, user);
    const delegate = account.delegates?.some((one) => sameAddress(one) === sameAddress(user)) === true;
    return own || delegate ? 'ok' : 'notConnected';
  }

  /** May `account` (authenticated by `token`'s holder) send as `address`? Its own address always. */
  maySendAs(account: AccountOptions, holder: string, address: string): boolean {
    const wanted = sameAddress(address);
    if (wanted === sameAddress(account.address)) return true;
    const granted = this.get(address)?.sendAs ?? [];
    return granted.some((one) =>
      [sameAddress(account.address), sameAddress(holder)].includes(sameAddress(one)),
    );
  }
}

/** The form in which addresses are compared: Exchange folds the whole of it. */
export function sameAddress(address: string): string {
  return address.trim().toLowerCase();
}

function isLogin(account: AccountOptions, user: string): boolean {
  return [account.address, account.upn ?? account.address].some(
    (one) => sameAddress(one) === sameAddress(user),
  );
}

function appMay(account: AccountOptions, app: string): boolean {
  return account.apps === undefined || account.apps.includes(app);
}

function hasScope(token: GoodToken, name: string): boolean {
  return token.scopes.some((scope) => scope === name || scope.endsWith(`/${name}`));
}

function hasRole(token: GoodToken, name: string): boolean {
  return token.roles.includes(name);
}
