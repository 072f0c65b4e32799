// The connector to ESM: where its API is, who logs in, and ESM_CONNECTOR, which may be continued in further settings.
import { checkConnector, readConnector, type Connector } from '../esm/mapping.ts';
import { parseJson } from '../mail/foreign.ts';
import type { SettingsReader } from './problems.ts';
import type { EsmConnectorSettings } from './settings.ts';
import { connectorSettings } from './settingsTable.ts';

const example = 'https://NAME.efectecloud.com/rest-api/itsm/v1';

/** Undefined if the connector is not in use, or with problems added. */
export function readEsmConnector(reader: SettingsReader, isOn: boolean): EsmConnectorSettings | undefined {
  const names = ['ESM_URL', 'ESM_LOGIN', 'ESM_PASSWORD_SECRET', ...connectorSettings];
  if (!isOn && names.every((name) => reader.text(name) === undefined)) return undefined;
  const url = readUrl(reader);
  const login = reader.text('ESM_LOGIN');
  if (login === undefined) reader.add('ESM_LOGIN', 'is missing; write the login of a local user of ESM');
  const passwordSecret = reader.text('ESM_PASSWORD_SECRET');
  if (passwordSecret === undefined)
    reader.add('ESM_PASSWORD_SECRET', 'is missing; write the name of the vault’s secret with the password');
  else if (!/^[0-9A-Za-z-]{1,127}$/.test(passwordSecret))
    reader.add(
      'ESM_PASSWORD_SECRET',
      'must be the name of a secret in the key vault (letters, digits, hyphens), not the password',
    );
  const connector = readMapping(reader);
  return url === undefined || login === undefined || passwordSecret === undefined || connector === undefined
    ? undefined
    : { url, login, passwordSecret, connector };
}

function readUrl(reader: SettingsReader): string | undefined {
  const text = reader.text('ESM_URL');
  if (text === undefined) {
    reader.add('ESM_URL', `is missing; write the whole base address of the API, such as ${example}`);
    return undefined;
  }
  // The emulator.
  if (/^http:\/\/(?:localhost|127\.0\.0\.1)(?::[0-9]{1,5})?(?:\/|$)/.test(text))
    return text.replace(/\/+$/, '');
  return reader.httpsAddress('ESM_URL', text, example);
}

/** Each setting is an object of its own; their lists are joined. */
function readMapping(reader: SettingsReader): Connector | undefined {
  const before = reader.found.length;
  const parts: Connector[] = [];
  for (const name of connectorSettings) {
    const text = reader.text(name);
    if (text === undefined) continue;
    const value = parseJson(text);
    if (value === undefined) {
      reader.add(name, 'is not valid JSON; write an object as docs/schemas/esmConnector.json describes it');
      continue;
    }
    const answer = readConnector(value);
    if (answer.kind === 'ok') parts.push(answer.connector);
    else
      for (const { path, detail } of answer.problems)
        reader.add(name, detail, path === '' ? name : `${name}: ${path}`);
  }
  if (reader.found.length > before) return undefined;
  if (parts.length === 0) {
    reader.add('ESM_CONNECTOR', 'is missing; `npm run esm -- init` writes a draft');
    return undefined;
  }
  const connector: Connector = {
    incoming: parts.flatMap(({ incoming }) => incoming),
    report: parts.flatMap(({ report }) => report),
  };
  for (const { path, detail } of checkConnector(connector))
    reader.add('ESM_CONNECTOR', detail, `ESM_CONNECTOR (all parts): ${path}`);
  return reader.found.length > before ? undefined : connector;
}
