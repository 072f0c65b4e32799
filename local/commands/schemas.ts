// Generates the published contract from the code that checks it: docs/schemas/*.json, docs/openapi.json, docs/settings.md,
// docs/replies.md.
//   node local/start.mjs local/commands/schemas.ts
// tests/config/published.test.ts compares the files with what would be written, and fails if they are stale.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { format } from 'prettier';
import { z } from 'zod';
import { connectorSchema, connectorSchemaName } from '../../shared/esm/mapping.ts';
import {
  adjustableHeartbeatNumbers,
  adjustableInboundNumbers,
  adjustableNumbers,
} from '../../shared/config/numbers.ts';
import { mailboxFields } from '../../shared/config/mailboxes.ts';
import { openApiDocument } from '../../shared/web/openApi.ts';
import { apiDescription } from '../openApi.ts';
import { settingsTable } from '../../shared/config/settingsTable.ts';
import { inboundNumbers } from '../../shared/inbound/dependencies.ts';
import { heartbeatNumbers } from '../../shared/ops/heartbeatNumbers.ts';
import { noticeSchema, noticeSchemaName } from '../../shared/contract/notice.ts';
import { defaultNumbers } from '../../shared/outbound/numbers.ts';
import { replyTable, type ReplyRow } from '../../shared/outbound/policy/replyTable.ts';
import { eventData, eventSchema, schemaName } from '../../shared/contract/statusCloudEvent.ts';
import { submissionSchema } from '../../shared/contract/submissionSchema.ts';
import type { StatusEventType } from '../../shared/contract/statusEvent.ts';

const root = join(import.meta.dirname, '..', '..');

/** Every published file by its path from the project's root, formatted as the project's files are. */
export async function publishedFiles(): Promise<ReadonlyMap<string, string>> {
  const schemas = [
    { file: 'submission', schema: submissionSchema, name: schemaName('submission') },
    { file: 'esmConnector', schema: connectorSchema, name: connectorSchemaName },
    { file: 'notice', schema: noticeSchema, name: noticeSchemaName },
    ...eventTypes.map((type) => ({ file: type, schema: eventSchema(type), name: schemaName(type) })),
  ].map(({ file, schema, name }) => [`docs/schemas/${file}.json`, jsonSchema(schema, name)] as const);
  const descriptions = [['docs/openapi.json', JSON.stringify(openApiDocument(apiDescription))]] as const;
  const pages = [
    ['docs/settings.md', settingsPage()],
    ['docs/replies.md', repliesPage()],
  ] as const;
  const written = await Promise.all(
    [...schemas, ...descriptions, ...pages].map(async ([path, text]) => {
      const parser = path.endsWith('.json') ? 'json' : 'markdown';
      return [path, await format(text, { parser, singleQuote: true, printWidth: 110 })] as const;
    }),
  );
  return new Map(written);
}

const eventTypes = Object.keys(eventData).filter((type): type is StatusEventType =>
  Object.hasOwn(eventData, type),
);

function jsonSchema(schema: z.ZodType, name: string): string {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12' });
  return JSON.stringify({ $schema, $id: name, ...rest }, undefined, 2);
}

/** A table cell: bars would end it. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function settingsPage(): string {
  const settings = settingsTable.map(({ name, required, default: otherwise, what, secret }) => [
    `\`${name}\``,
    required,
    otherwise === undefined ? '' : `\`${otherwise}\``,
    `${what}${secret === true ? ' Secret.' : ''}`,
  ]);
  const fields = Object.entries(mailboxFields).map(([name, field]) => [
    `\`${name}\``,
    field.default,
    field.what,
  ]);
  const numbers = (
    bounds: Readonly<Record<string, readonly [number, number]>>,
    defaults: object,
  ): string[][] =>
    Object.entries(bounds).map(([name, [least, most]]) => [
      `\`${name}\``,
      String(Reflect.get(defaults, name)),
      `${least} to ${most}`,
    ]);
  return `# Settings

Written by \`npm run schemas\` from the tables that the parser uses (shared/config/); a test fails if it is stale.

Settings are environment variables: app settings in Azure, \`local.settings.json\` on a developer's machine. They are read once, at
the first call of a function; all problems are reported together, each with its name and a remedy. A blank value counts as
absent. A misspelled name is a mistake too. The defaults of the deployment are in \`infra/settings.json\`.

${table(['Setting', 'Required', 'Without it', 'What'], settings)}

## MAILBOXES

A JSON array, at most 100 mailboxes in all. A hundred of them take about 6,500 characters with only address and signIn,
and about 40,000 with every field. App Service is reported to take about 10,000 characters in one app setting, so
the array may be continued in \`MAILBOXES_2\` to \`MAILBOXES_5\`, each an array of its own. The same address twice, ignoring case, is a
mistake.

\`\`\`json
[
  { "address": "servicedesk@example.com" },
  { "address": "hr@example.com", "signIn": "application", "afterFetch": "move:Processed" },
  { "address": "facilities@example.com", "smtpUser": "servicedesk@example.com", "limits": { "messagesPerMinute": 20 } }
]
\`\`\`

${table(['Field', 'Without it', 'What'], fields)}

Mailboxes with the same \`smtpUser\` (ignoring case) are one account: they share its limits, and the lowest apply. A shared mailbox
signed in by a delegate is read as itself (\`imapUser\`: its address) and sends as the delegate (\`smtpUser\`).

## ESM_MAIL_SETTINGS

ESM's four lines, as its manual prints them (Platform Settings > Mail Settings), in place of the three \`OAUTH_\` settings:

\`\`\`
mail.oauth.enabled = true
mail.oauth.authorize.endpoint = https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/oauth2/v2.0/authorize
mail.oauth.client.id = 66666666-7777-8888-9999-000000000000
mail.oauth.scopes = https://outlook.office365.com/IMAP.AccessAsUser.All,https://outlook.office365.com/SMTP.Send
\`\`\`

Lines, a table's rows or all in one line; \`=\`, \`:\`, \`|\` or white space between name and value. Corrected silently: a lost slash (\`https:/\`), quotation
marks, invisible characters, commas or spaces between scopes, a missing \`offline_access\`. Reported as a mistake: \`{tenantID}\` left in, \`common\`
for a tenant, the token endpoint or the old one, scopes of two hosts or of Microsoft Graph, a scope cut in two.

## OUTBOUND_NUMBERS, INBOUND_NUMBERS, HEARTBEAT_NUMBERS

For demonstrations and tests that must not take ten minutes. Leave them out in production: the guarantees were verified with the defaults.

${table(['Number of sending', 'Default', 'Bounds'], numbers(adjustableNumbers, defaultNumbers))}

${table(['Number of fetching', 'Default', 'Bounds'], numbers(adjustableInboundNumbers, inboundNumbers))}

${table(['Number of the heartbeat', 'Default', 'Bounds'], numbers(adjustableHeartbeatNumbers, heartbeatNumbers))}
`;
}

const decisions: Readonly<Record<ReplyRow['decision']['do'], string>> = {
  retry: 'retry',
  hold: 'hold',
  configuration: 'hold, and alert the administrator',
  deadLetter: 'dead letter',
  unexplained: 'deferred until it is known whose fault it is',
  reconnect: 'retry, and fewer connections',
};

function repliesPage(): string {
  const rows = replyTable.map((row) => [row.name, `\`${row.sample}\``, criteria(row), decisionOf(row)]);
  const detail = replyTable.map(
    (row) =>
      `- **${row.name}** ${row.detail}${'remedy' in row.decision ? ` *Remedy:* ${row.decision.remedy}` : ''}`,
  );
  return `# Replies of the SMTP server, and how they are handled

Written by \`npm run schemas\` from shared/outbound/policy/replyTable.ts; a test fails if it is stale. The first row that
matches decides. \`ADDRESS\` stands for the mailbox, \`SMTP_USER\` for its \`smtpUser\`.

- **retry**: the message is deferred, with growing delays; its own deferrals add up, and past the give-up age it fails.
- **hold**: the account or the mailbox pauses and shows why; its messages wait and are not blamed. It ends by itself when a probe succeeds.
- **hold, and alert the administrator**: the same, and an administrator has to act.
- **fewer connections**: the message is deferred and one connection fewer is used; if it was the last one, the account is put on hold (\`connections\`).
- **unexplained**: a permanent reply that may be the fault of the session, the sender, the server or the message. The message is
  deferred. The reply is final once another message of the same mailbox was accepted after it, or after 15 minutes without
  one, time on hold not counted. Three different messages that are refused alike (same code and status), with nothing
  accepted between, put the account on hold; three of one mailbox, with none of its own accepted between, put that mailbox
  on hold. No message is blamed for it.
- **dead letter**: the message, or that recipient, is not tried again unless an operator replays it.
- **in doubt**: the final dot was sent and no reply came; it is looked up in Sent Items, and nothing is resent blindly.

${table(['Name', 'Sample', 'Matches', 'Action'], rows)}

## Detail and remedy

As the events and the operator page show them.

${detail.join('\n')}

## Replies that match no row

| Reply | Phase | Action |
| --- | --- | --- |
| 4xx | anywhere | retry |
| 5xx | connect, TLS, greeting | hold the account: unreachable |
| 5xx | AUTH | hold the account, and alert the administrator: sign-in |
| 5xx | MAIL | hold the mailbox, and alert the administrator: MAIL concerns the sender alone |
| 5xx with status x.5.x or x.7.x; 500 to 504, 521, 530, 555 | RCPT | unexplained; counts for different recipients only. Dead letter for that recipient if the message is accepted for others |
| other 5xx | RCPT | dead letter for that recipient |
| 5xx | DATA, body, final dot | unexplained |
| none, or no reply code | before the final dot was sent | retry |
| none, or no reply code | after the final dot was sent | in doubt |

Transient replies put the account or a mailbox on hold in the same way: three different messages, nothing accepted between. At
RCPT only 421, x.5.x and x.7.x count for that; every other reply to RCPT is about that recipient and stops nobody else. A
message that is refused again after others were accepted does not count any more. No delay and no time between two probes
reaches 20 minutes.

Before MAIL there is no message: a row that says "dead letter" counts there as the 5xx that it is.
`;
}

function criteria({ codes, enhanced, text, phases }: ReplyRow): string {
  return [
    ...(codes === undefined ? [] : [codes.join(', ')]),
    ...(enhanced === undefined ? [] : [enhanced.join(', ')]),
    ...(text === undefined ? [] : [`text \`${text.source}\``]),
    ...(phases === undefined ? [] : [`at ${phases.join(', ')}`]),
  ].join('; ');
}

function decisionOf({ decision }: ReplyRow): string {
  const minutes = (ms: number): string =>
    ms % 3_600_000 === 0 ? `${ms / 3_600_000} h` : `${ms / 60_000} min`;
  switch (decision.do) {
    case 'hold':
    case 'configuration':
      return `${decisions[decision.do]} (${decision.scope}; ${decision.reason}; first probe after ${minutes(decision.firstProbeMs)})`;
    case 'retry':
      return decision.minDelayMs === undefined
        ? 'retry'
        : `retry, after ${minutes(decision.minDelayMs)} at the earliest`;
    case 'deadLetter':
    case 'unexplained':
    case 'reconnect':
      return decisions[decision.do];
  }
}

if (import.meta.main) {
  const files = await publishedFiles();
  for (const [path, text] of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  console.log(`${files.size} files written under docs/.`);
}
