// The app's identity and scopes: ESM's four settings in one paste, or three of our own. Endpoints and scopes are checked
// for mistakes that would otherwise appear as an AADSTS number when a user signs in.
import { present } from '../mail/omit.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import { quoteBriefly } from '../mail/quote.ts';
import { readEsmSettings } from './esmSettings.ts';
import type { SettingsReader } from './problems.ts';
import type { ClientCredential, SignInSettings } from './settings.ts';
import { isGuid, readClientId } from './store.ts';

const exampleEndpoint = 'https://login.microsoftonline.com/TENANT/oauth2/v2.0/authorize';
const defaultScopes = 'https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send';
const scopesCount = 20;

/** A value and the setting that it comes from. */
interface Written {
  readonly setting: string;
  /** Begins the sentence: the setting, or ESM's name within the paste. */
  readonly subject: string;
  readonly text: string;
}

export function readSignIn(
  reader: SettingsReader,
  mailboxes: readonly Mailbox[],
): SignInSettings | undefined {
  const written = findWritten(reader);
  const credential = readCredential(reader);
  const applicationScope = readApplicationScope(reader);
  if (written === undefined) return undefined;
  const endpoint = readEndpoint(written.endpoint, reader);
  const clientId = readAppId(written.clientId, reader);
  const scopes = readScopes(written.scopes, reader, mailboxes);
  if (endpoint === undefined || clientId === undefined) return undefined;
  return { ...endpoint, clientId, scopes, applicationScope, credential };
}

function findWritten(
  reader: SettingsReader,
): { readonly endpoint: Written; readonly clientId: Written; readonly scopes: Written } | undefined {
  const pasted = reader.text('ESM_MAIL_SETTINGS');
  const own = (setting: string): Written => ({
    setting,
    subject: setting,
    text: reader.text(setting) ?? '',
  });
  const endpoint = own('OAUTH_AUTHORIZE_ENDPOINT');
  const clientId = own('OAUTH_CLIENT_ID');
  const scopes = own('OAUTH_SCOPES');
  if (pasted === undefined) {
    if (endpoint.text === '')
      reader.add(
        endpoint.setting,
        `is missing; write ${exampleEndpoint}, or paste ESM's four lines into ESM_MAIL_SETTINGS`,
      );
    if (clientId.text === '')
      reader.add(
        clientId.setting,
        "is missing; write the application (client) id, or paste ESM's four lines into ESM_MAIL_SETTINGS",
      );
    if (endpoint.text === '' || clientId.text === '') return undefined;
    return { endpoint, clientId, scopes: scopes.text === '' ? { ...scopes, text: defaultScopes } : scopes };
  }
  const both = [endpoint, clientId, scopes].filter(({ text }) => text !== '');
  for (const { setting } of both)
    reader.add(setting, 'is set together with ESM_MAIL_SETTINGS, which contains it; remove one of them');
  const esm = readEsmSettings(pasted, reader);
  if (esm === undefined) return undefined;
  const fromEsm = (name: string, text: string): Written => ({
    setting: 'ESM_MAIL_SETTINGS',
    subject: `ESM_MAIL_SETTINGS: ${name}`,
    text,
  });
  return {
    endpoint: fromEsm('mail.oauth.authorize.endpoint', esm.authorizeEndpoint),
    clientId: fromEsm('mail.oauth.client.id', esm.clientId),
    scopes: fromEsm('mail.oauth.scopes', esm.scopes),
  };
}

type Endpoint = Pick<SignInSettings, 'authorityHost' | 'tenant' | 'authorizeEndpoint' | 'tokenEndpoint'>;

function readEndpoint({ setting, subject, text }: Written, reader: SettingsReader): Endpoint | undefined {
  const endpoint = endpointOf(text);
  if (typeof endpoint !== 'string') return endpoint;
  reader.add(setting, endpoint, subject);
  return undefined;
}

/** The endpoint's parts, or what is wrong with it. */
function endpointOf(text: string): Endpoint | string {
  const url = URL.parse(withBothSlashes(text).replace(/\/+$/, ''));
  if (/[{}<>]|\/tenant(?:-?id)?\//i.test(text)) {
    return 'still has the placeholder for the tenant; put the directory (tenant) id in its place';
  }
  if (url?.protocol !== 'https:') return `is not an https address; write ${exampleEndpoint}`;
  const [tenant = '', ...path] = url.pathname.slice(1).split('/');
  if (['common', 'organizations', 'consumers'].includes(tenant.toLowerCase())) {
    return `names ${quoteBriefly(tenant)} for a tenant; write the directory (tenant) id: mailboxes belong to one tenant`;
  }
  const end = path.join('/').toLowerCase();
  if (end === 'oauth2/v2.0/token') return 'is the token endpoint; write the one that ends in /authorize';
  if (end === 'oauth2/authorize') {
    return 'is the old endpoint (v1); write the one that ends in /oauth2/v2.0/authorize';
  }
  const isTenant = /^[A-Za-z0-9.-]{1,255}$/.test(tenant);
  if (end !== 'oauth2/v2.0/authorize' || !isTenant || url.search !== '' || url.hash !== '') {
    return `is not an authorize endpoint; write ${exampleEndpoint}`;
  }
  const base = `${url.origin}/${tenant}/oauth2/v2.0`;
  return {
    authorityHost: url.origin,
    tenant,
    authorizeEndpoint: `${base}/authorize`,
    tokenEndpoint: `${base}/token`,
  };
}

function readAppId({ setting, subject, text }: Written, reader: SettingsReader): string | undefined {
  const bare = text.replace(/^\{(.*)\}$/, '$1');
  if (isGuid(bare)) return bare.toLowerCase();
  reader.add(
    setting,
    "is not an application (client) id; copy it from the app registration's overview, such as 11111111-2222-3333-4444-555555555555",
    subject,
  );
  return undefined;
}

/** `https:/host` has lost a slash when it was copied from a PDF; it is unambiguous. */
function withBothSlashes(text: string): string {
  return text.replace(/^(https):\/(?!\/)/i, '$1://');
}

function readScopes(
  { setting, subject, text }: Written,
  reader: SettingsReader,
  mailboxes: readonly Mailbox[],
): readonly string[] {
  const refuse = (detail: string): void => {
    reader.add(setting, detail, subject);
  };
  const parts = text.split(/[\s,;]+/).filter((part) => part !== '');
  if (parts.length > scopesCount)
    refuse(`has ${parts.length} scopes; two are enough, one for IMAP and one for SMTP`);
  const scopes: string[] = [];
  for (const part of parts.slice(0, scopesCount)) {
    // The directory's own scopes are requested when they are needed.
    if (/^(offline_access|openid|profile|email)$/i.test(part)) continue;
    const scope = withBothSlashes(part);
    const url = URL.parse(scope);
    if (url?.protocol !== 'https:' || url.pathname.length < 2) {
      refuse(
        `has ${quoteBriefly(part)}, which is no scope (a line break within one, perhaps); write ${defaultScopes}`,
      );
    } else if (url.host === 'graph.microsoft.com') {
      refuse(
        'requests Microsoft Graph, whose tokens the mail servers refuse; write the scopes of outlook.office.com',
      );
    } else if (!scopes.includes(scope)) scopes.push(scope);
  }
  const hosts = new Set(scopes.map((scope) => URL.parse(scope)?.host ?? ''));
  if (hosts.size > 1)
    refuse(
      `mixes ${[...hosts].map(quoteBriefly).join(' and ')}, and one request can name only one resource (AADSTS700022); use one host in all scopes`,
    );
  const delegated = mailboxes.filter(({ signIn }) => signIn === 'delegated');
  const lacks = (suffix: string): boolean =>
    !scopes.some((scope) => scope.toLowerCase().endsWith(suffix) || scope.endsWith('/.default'));
  if (delegated.some(({ receive }) => receive) && lacks('/imap.accessasuser.all'))
    refuse('lacks IMAP.AccessAsUser.All, without which no mail is fetched; add it');
  if (delegated.some(({ send }) => send) && lacks('/smtp.send'))
    refuse('lacks SMTP.Send, without which no mail is sent; add it');
  return [...scopes, 'offline_access'];
}

function readApplicationScope(reader: SettingsReader): string {
  const text = reader.text('OAUTH_APPLICATION_SCOPE') ?? 'https://outlook.office365.com/.default';
  if (!(URL.parse(text)?.protocol === 'https:' && text.endsWith('/.default'))) {
    reader.add(
      'OAUTH_APPLICATION_SCOPE',
      'must be a resource and /.default; leave it out for https://outlook.office365.com/.default',
    );
  }
  return text;
}

function readCredential(reader: SettingsReader): ClientCredential {
  const secret = reader.text('OAUTH_CLIENT_SECRET');
  const certificate = reader.text('OAUTH_CLIENT_CERTIFICATE');
  const identity = readClientId(reader, 'MANAGED_IDENTITY_CLIENT_ID');
  if (secret !== undefined && certificate !== undefined) {
    reader.add('OAUTH_CLIENT_SECRET', 'is set together with OAUTH_CLIENT_CERTIFICATE; remove one of them');
  }
  if (secret !== undefined) {
    // The portal shows the secret's id beside its value, and the id is what people copy (AADSTS7000215).
    if (isGuid(secret))
      reader.add('OAUTH_CLIENT_SECRET', "is the secret's id; copy its value, which is shown once");
    const expiresAt = readEnd(reader);
    return { kind: 'secret', secret, ...present({ expiresAt }) };
  }
  if (certificate !== undefined) return { kind: 'certificate', pem: readPem(certificate, reader) };
  const clientId = identity ?? reader.text('MailStore__clientId')?.toLowerCase();
  return { kind: 'managedIdentity', ...present({ clientId }) };
}

/** The first moment of the day on which the secret ends: the portal shows no hour. */
function readEnd(reader: SettingsReader): number | undefined {
  const name = 'OAUTH_CLIENT_SECRET_EXPIRES';
  const text = reader.text(name);
  if (text === undefined) return undefined;
  const at = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(text) ? Date.parse(text) : NaN;
  if (Number.isFinite(at)) return at;
  reader.add(name, 'must be a day such as 2027-11-25; the portal shows it beside the secret');
  return undefined;
}

function readPem(text: string, reader: SettingsReader): string {
  const pem = text.includes('-----BEGIN')
    ? text.replaceAll('\\n', '\n')
    : Buffer.from(text, 'base64').toString('latin1');
  if (!pem.includes('-----BEGIN CERTIFICATE-----') || !pem.includes('-----BEGIN PRIVATE KEY-----')) {
    reader.add(
      'OAUTH_CLIENT_CERTIFICATE',
      'must hold a certificate and its private key as PEM (BEGIN CERTIFICATE, BEGIN PRIVATE KEY), or base64 of it',
    );
  }
  return pem;
}
