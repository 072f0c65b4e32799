// ESM's four platform settings (Platform Settings > Mail Settings), as its manual prints them, pasted into one
// setting. A paste may hold lines, a table row by row, or all of it in one line, with =, : or a tab between name
// and value. What copying loses without ambiguity is corrected; the rest is reported.
import type { Problems } from './problems.ts';

export interface EsmSettings {
  readonly authorizeEndpoint: string;
  readonly clientId: string;
  readonly scopes: string;
}

const names = [
  'mail.oauth.enabled',
  'mail.oauth.authorize.endpoint',
  'mail.oauth.client.id',
  'mail.oauth.scopes',
] as const;
type Name = (typeof names)[number];

/** At most this much of a paste is read. */
const pasteCharacters = 8_000;

/** Finds the four values. Undefined, with problems added, if one is missing or given twice. */
export function readEsmSettings(pasted: string, problems: Problems): EsmSettings | undefined {
  const before = problems.found.length;
  const values = new Map<string, string>();
  for (const { name, value } of entriesOf(tidy(pasted.slice(0, pasteCharacters)))) {
    if (!names.some((known) => known === name)) {
      complain(problems, name, 'is none of the four settings; remove it');
    } else if (values.has(name)) {
      complain(problems, name, 'is there twice; paste each setting once');
    } else values.set(name, value);
  }
  const valueOf = (name: Name, example: string): string => {
    const value = values.get(name) ?? '';
    if (value === '') complain(problems, name, `is missing; paste the line ${name} = ${example}`);
    return value;
  };
  const enabled = valueOf('mail.oauth.enabled', 'true');
  if (enabled !== '' && enabled.toLowerCase() !== 'true') {
    complain(
      problems,
      'mail.oauth.enabled',
      'is not true: OAuth2 is off in the ESM that this was copied from; copy the settings of one where it works, or write true',
    );
  }
  const found = {
    authorizeEndpoint: valueOf(
      'mail.oauth.authorize.endpoint',
      'https://login.microsoftonline.com/TENANT/oauth2/v2.0/authorize',
    ),
    clientId: valueOf('mail.oauth.client.id', '11111111-2222-3333-4444-555555555555'),
    scopes: valueOf(
      'mail.oauth.scopes',
      'https://outlook.office365.com/IMAP.AccessAsUser.All,https://outlook.office365.com/SMTP.Send',
    ),
  };
  return problems.found.length === before ? found : undefined;
}

/** The four lines for an ESM that signs in by itself, as its manual prints them: commas, and no `offline_access`. */
export function writeEsmSettings({
  authorizeEndpoint,
  clientId,
  scopes,
}: {
  readonly authorizeEndpoint: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
}): string {
  const values: Readonly<Record<Name, string>> = {
    'mail.oauth.enabled': 'true',
    'mail.oauth.authorize.endpoint': authorizeEndpoint,
    'mail.oauth.client.id': clientId,
    'mail.oauth.scopes': scopes.filter((scope) => scope !== 'offline_access').join(','),
  };
  return names.map((name) => `${name} = ${values[name]}`).join('\n');
}

function complain(problems: Problems, name: string, detail: string): void {
  problems.add('ESM_MAIL_SETTINGS', detail, `ESM_MAIL_SETTINGS: ${name}`);
}

/** Each `mail.oauth.…` begins an entry that ends where the next one begins. */
function entriesOf(text: string): readonly { readonly name: string; readonly value: string }[] {
  const starts = [...text.matchAll(/mail\.oauth\.[a-z]+(?:\.[a-z]+)?/gi)];
  return starts.map((start, index) => ({
    name: start[0].toLowerCase(),
    value: text
      .slice(start.index + start[0].length, starts[index + 1]?.index)
      .replace(/^[\s=:|"'`]+/, '')
      .replace(/[\s|;,"'`]+$/, ''),
  }));
}

/** What word processors, PDF readers and app settings do to a line. */
function tidy(pasted: string): string {
  return pasted
    .replace(/\\r|\\n|\\t/g, '\n')
    .replace(/[\u00ad\u200b-\u200d\u2060\ufeff]/g, '')
    .replace(/[\u00a0\u2000-\u200a\u202f\u3000]/g, ' ')
    .replace(/[\u2018\u2019\u201c\u201d\u00ab\u00bb]/g, '"');
}
