// What Entra's AADSTS numbers mean for an administrator: what happened, what to do, where. The number selects the
// explanation and never, with the one exception in errorResponse.ts, what the program does.
// Source: https://learn.microsoft.com/en-us/entra/identity-platform/reference-error-codes and reports from the field.

interface Explanation {
  readonly codes: readonly number[];
  readonly happened: string;
  readonly remedy: string;
  /** What an application mailbox needs instead: nobody can connect it. */
  readonly application?: string;
  /** What it means when a refresh token was used, if that is something else. */
  readonly refresh?: { readonly happened: string; readonly remedy: string };
}

/** Which request of a token was refused. */
export type SignInWay = 'refresh' | 'consent' | 'application';

const connectAgain = 'Open the bridge’s page and connect the mailbox again, signed in as the mailbox itself.';
const appRegistration = 'Entra admin center → App registrations → the bridge’s app';
const enterpriseApplication = 'Entra admin center → Enterprise applications → the bridge’s app';
const conditionalAccess = 'Entra admin center → Protection → Conditional Access';

const explanation = (
  codes: readonly number[],
  happened: string,
  remedy: string,
  more: Pick<Explanation, 'application' | 'refresh'> = {},
): Explanation => ({ codes, happened, remedy, ...more });

const explanations: readonly Explanation[] = [
  explanation(
    [700082, 70008],
    'The saved sign-in was not used for 90 days and has ended.',
    `${connectAgain} The daily refresh must have stopped: check that refreshTokens runs.`,
  ),
  explanation(
    [50173, 50132, 50133],
    'The password was reset or the sessions were revoked, which ended the saved sign-in.',
    connectAgain,
  ),
  explanation(
    [70043],
    'A sign-in frequency rule of Conditional Access ended the saved sign-in.',
    `Exempt this app from the rule (${conditionalAccess} → Policies) and connect the mailbox again, or use application sign-in.`,
  ),
  explanation(
    [700084],
    'The redirect URI is registered for a single-page application, whose sign-ins end after 24 hours.',
    `Register it under “Web” instead (${appRegistration} → Authentication), then connect the mailbox again.`,
  ),
  explanation(
    [50076, 50079, 50072, 50074, 50078],
    'Entra now asks for a second factor, which only a person can give.',
    connectAgain,
  ),
  explanation(
    [53000, 53001, 53002, 53003, 530032, 530003],
    'Conditional Access blocked the sign-in.',
    `Allow this app or the app’s outgoing addresses (${conditionalAccess} → Sign-in logs name the policy), then connect the mailbox again.`,
    {
      application: `Exclude this app, or allow the addresses from which it signs in, in the policy for workload identities (${conditionalAccess} → Policies; Sign-in logs → Service principal sign-ins name it).`,
    },
  ),
  explanation(
    [530035],
    'The tenant’s security defaults blocked the sign-in.',
    'Replace security defaults by Conditional Access (Entra admin center → Properties → Manage security defaults), then connect the mailbox again.',
  ),
  explanation(
    [50053],
    'The account is locked, or the sign-in came from an address with a bad reputation.',
    'Unlock the account or wait (Entra admin center → Users → the mailbox’s user → Sign-in logs), then connect the mailbox again.',
  ),
  explanation(
    [50055, 50144],
    'The account’s password has expired.',
    'Change the password (Microsoft 365 admin center → Users), then connect the mailbox again.',
  ),
  explanation(
    [50057],
    'The account is disabled. The user of a shared mailbox is disabled by design.',
    'Sign in as a delegate that is a real user and set it as smtpUser, or use application sign-in.',
  ),
  explanation(
    [50034, 50020, 51004],
    'The account is not in this tenant.',
    'Sign in with an account of the tenant in OAUTH_AUTHORIZE_ENDPOINT, or correct the tenant there.',
  ),
  explanation(
    [501051],
    'The app is not assigned to the role or resource that it asks for.',
    `Grant its application permission with admin consent (${appRegistration} → API permissions), or switch “Assignment required” off (${enterpriseApplication} → Properties).`,
  ),
  explanation(
    [50105],
    'The account is not assigned to the bridge’s app.',
    `Assign it (${enterpriseApplication} → Users and groups), or switch “Assignment required” off.`,
  ),
  explanation(
    [65001, 65004, 90094],
    'Consent to the app is missing, was declined, or an administrator must give it.',
    `Grant admin consent (${enterpriseApplication} → Permissions), then connect the mailbox again.`,
    {
      application: `Add the application permissions IMAP.AccessAsApp and SMTP.SendAsApp of Office 365 Exchange Online and grant admin consent (${appRegistration} → API permissions).`,
    },
  ),
  explanation(
    [650056],
    'The app registration asks for none of the permissions that are needed.',
    `Add IMAP.AccessAsUser.All and SMTP.Send (${appRegistration} → API permissions) and grant consent.`,
  ),
  explanation(
    [650057],
    'The token was asked for a resource that the app registration does not list.',
    `Add the Office 365 Exchange Online permissions (${appRegistration} → API permissions), or correct OAUTH_SCOPES.`,
  ),
  explanation(
    [500011],
    'Exchange Online is not present in this tenant.',
    'Check that OAUTH_SCOPES name outlook.office365.com or outlook.office.com, and that the tenant has an Exchange Online licence.',
  ),
  explanation(
    [700016],
    'No app with this client id is known in the tenant.',
    `Compare OAUTH_CLIENT_ID with “Application (client) ID” (${appRegistration} → Overview), and the tenant with the one it was registered in.`,
  ),
  explanation(
    [7000112, 70001],
    'The app is disabled in this tenant.',
    `Switch “Enabled for users to sign in” on (${enterpriseApplication} → Properties).`,
  ),
  explanation(
    [90002],
    'The tenant is not known to this authority: a wrong tenant id, or the wrong cloud.',
    'Correct the tenant in OAUTH_AUTHORIZE_ENDPOINT (Entra admin center → Overview → Tenant ID).',
  ),
  explanation(
    [50194],
    'The app serves one tenant only, but the sign-in went to /common.',
    'Write the tenant id in OAUTH_AUTHORIZE_ENDPOINT in place of “common”.',
  ),
  explanation(
    [7000215],
    'The client secret is wrong; often the secret’s ID was pasted in place of its value.',
    `Make a new secret, copy its Value (${appRegistration} → Certificates & secrets), and set OAUTH_CLIENT_SECRET; or remove it and use the managed identity.`,
  ),
  explanation(
    [7000222],
    'The client secret has expired.',
    `Make a new one (${appRegistration} → Certificates & secrets) and set OAUTH_CLIENT_SECRET; or remove it and use the managed identity, which never expires.`,
  ),
  explanation(
    [7000218],
    'Entra requires client authentication, and none was sent.',
    `Give the app a credential: the managed identity as federated credential (${appRegistration} → Certificates & secrets → Federated credentials), a certificate or a secret.`,
  ),
  explanation(
    [700025],
    'A secret was sent for an app that is registered as a public client.',
    `Register the redirect URI under “Web” (${appRegistration} → Authentication) and switch public client flows off.`,
  ),
  explanation(
    [700024],
    'The app’s assertion is outside its valid time: it is too old, or a clock is wrong.',
    `Check the clock of the machine against an NTP server, and that no proxy delays or repeats requests; a federated token or certificate assertion is valid for minutes (${appRegistration} → Certificates & secrets shows the certificate’s dates).`,
  ),
  explanation(
    [700027],
    'Entra did not accept the signature of the app’s certificate.',
    `Compare the thumbprint of the configured certificate with those registered, and its dates (${appRegistration} → Certificates & secrets).`,
  ),
  explanation(
    [50012, 700021, 70021, 700211, 700212, 700213],
    'Entra did not accept the certificate or the managed identity’s token as the app’s credential.',
    `Compare issuer, subject (the identity’s object id, in exactly this case) and audience (${appRegistration} → Certificates & secrets). A new federated credential needs some minutes.`,
  ),
  explanation(
    [50011, 900971],
    'The redirect URI is not registered for the app, letter by letter.',
    `Add it under “Web” (${appRegistration} → Authentication).`,
  ),
  explanation(
    [54005, 70000],
    'The authorization code was used already or has expired.',
    'Start connecting the mailbox again, and open the link only once.',
    {
      refresh: {
        happened: 'The saved sign-in (its refresh token) is malformed, expired or not this app’s.',
        remedy: connectAgain,
      },
    },
  ),
  explanation(
    [501481],
    'The sign-in was not finished in the browser that started it (PKCE).',
    'Start connecting the mailbox again, in one browser and one tab.',
  ),
  explanation(
    [70011, 28002, 700023, 900144],
    'The scopes are wrong or missing.',
    'Set OAUTH_SCOPES to https://outlook.office365.com/IMAP.AccessAsUser.All and https://outlook.office365.com/SMTP.Send, nothing else.',
  ),
  explanation(
    [700022],
    'The scopes name two resources in one request.',
    'Use one host in all of OAUTH_SCOPES: outlook.office365.com or outlook.office.com.',
  ),
  explanation(
    [50196, 90055],
    'Entra answers that tokens are requested too often.',
    'Nothing needs doing: the bridge waits. If it lasts, look for another program that uses the same app.',
  ),
  explanation(
    [90033, 90006, 50033, 90024, 90012],
    'Entra has a temporary fault.',
    'Nothing needs doing: the bridge tries again. See https://status.cloud.microsoft if it lasts.',
  ),
];

/** For responses without a known number: the OAuth error codes (RFC 6749 5.2, OpenID Connect). */
const byError: Readonly<Record<string, Omit<Explanation, 'codes'>>> = {
  invalid_grant: { happened: 'The saved sign-in is no longer valid.', remedy: connectAgain },
  interaction_required: { happened: 'Entra requires a person to sign in.', remedy: connectAgain },
  login_required: { happened: 'Entra requires a person to sign in.', remedy: connectAgain },
  consent_required: {
    happened: 'Consent to the app is missing.',
    remedy: `Grant admin consent (${enterpriseApplication} → Permissions), then connect the mailbox again.`,
  },
  invalid_client: {
    happened: 'Entra did not accept the app’s credential.',
    remedy: `Check client id and credential (${appRegistration} → Certificates & secrets).`,
  },
  unauthorized_client: {
    happened: 'The app may not sign in in this way.',
    remedy: `Check client id and tenant (${appRegistration} → Overview).`,
  },
  invalid_scope: { happened: 'The scopes are not accepted.', remedy: 'Check OAUTH_SCOPES.' },
  invalid_resource: { happened: 'The resource is not known in this tenant.', remedy: 'Check OAUTH_SCOPES.' },
  access_denied: {
    happened: 'The person declined, or may not consent.',
    remedy: 'Start connecting the mailbox again and accept, or let an administrator grant consent.',
  },
  temporarily_unavailable: {
    happened: 'Entra has a temporary fault.',
    remedy: 'Nothing needs doing: the bridge tries again.',
  },
};

const byCode: ReadonlyMap<number, Explanation> = new Map(
  explanations.flatMap((sentence) => sentence.codes.map((code) => [code, sentence] as const)),
);

/** Every number that has an explanation of its own. */
export const knownCodes: readonly number[] = [...byCode.keys()];

export interface TokenError {
  /** RFC 6749 error code. */
  readonly error: string;
  /** The number after AADSTS. */
  readonly code?: number;
  readonly correlationId?: string;
  /** A refresh if absent. */
  readonly way?: SignInWay;
}

/** Without the advice that only a person in a browser can follow. */
const forApplication = (remedy: string): string =>
  remedy
    .replace(
      connectAgain,
      `Look the sign-in up (${enterpriseApplication} → Sign-in logs → Service principal sign-ins) and check the app’s permission and credential.`,
    )
    .replace(/,? (?:and|then) connect the mailbox again(?=[.,])/, '')
    .replace(/, or use application sign-in/, '');

/** One paragraph for the administrator: what happened, what to do, where; code and correlation id in brackets. */
export function explainTokenError({ error, code, correlationId, way = 'refresh' }: TokenError): string {
  const known: Omit<Explanation, 'codes'> = (code === undefined ? undefined : byCode.get(code)) ??
    byError[error] ?? {
      happened: 'Entra refused to give a token.',
      remedy: `Look the code up, and the sign-in in ${enterpriseApplication} → Sign-in logs.`,
    };
  const sentence = way === 'refresh' ? (known.refresh ?? known) : known;
  const remedy =
    way === 'application' ? (known.application ?? forApplication(sentence.remedy)) : sentence.remedy;
  const reference = [
    code === undefined ? error : `AADSTS${code}`,
    ...(correlationId === undefined ? [] : [`correlation id ${correlationId}`]),
  ].join(', ');
  return `${sentence.happened} ${remedy} (${reference})`;
}
