// The nine end-of-data sequences of the public SMTP smuggling scanner (CVE-2023-51764 and its family), in each
// place that a caller can put bytes into, over a real connection: one message arrives, and no line end of the wire
// is anything but CRLF.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { RelayConnection } from '../../shared/outbound/ports.ts';
import { composer, none, raw, stamp, submission } from './composing.ts';
import { budget, certificates, connected, envelope } from './relayTools.ts';
import { startScriptedServer, type ScriptedServer } from './scriptedSmtpServer.ts';

const sequences: readonly (readonly [string, string])[] = [
  ['LF.LF', '\n.\n'],
  ['LF.CR', '\n.\r'],
  ['CR.LF', '\r.\n'],
  ['CR.CR', '\r.\r'],
  ['LF.CRLF', '\n.\r\n'],
  ['CR.CRLF', '\r.\r\n'],
  ['CRLF.CRCRLF', '\r\n.\r\r\n'],
  ['CRCRLF.CRCRLF', '\r\r\n.\r\r\n'],
  ['CRLF NUL .CRLF', '\r\n\0.\r\n'],
];
const smuggled =
  'MAIL FROM:<e@evil.test>\r\nRCPT TO:<e@evil.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n';

const asBytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const places: readonly (readonly [string, (text: string) => Promise<Uint8Array>])[] = [
  ['text', (text) => composer.compose(submission({ text: text.replaceAll('\0', '') }), none, stamp)],
  ['HTML', (text) => composer.compose(submission({ html: text.replaceAll('\0', '') }), none, stamp)],
  [
    'a text attachment',
    (text) =>
      composer.compose(
        submission({
          attachments: [
            {
              filename: 'a.txt',
              contentType: 'text/plain',
              content: { kind: 'inline', base64: asBytes(text).toString('base64') },
            },
          ],
        }),
        none,
        stamp,
      ),
  ],
  [
    'a raw message',
    (text) => {
      const bytes = asBytes(
        `From: desk@example.com\r\nTo: user@example.net\r\n\r\n${text.replaceAll('\0', '')}`,
      );
      return composer.compose(raw(), new Map([['outbound-uploads/a.eml', bytes]]), stamp);
    },
  ],
  ["the relay's own content", (text) => Promise.resolve(asBytes(`Subject: x\r\n\r\n${text}`))],
];

let server: ScriptedServer;
let connection: RelayConnection;
beforeAll(async () => {
  server = await startScriptedServer(await certificates());
  connection = await connected(server.port);
});
afterAll(() => server.stop());

test.each(
  places.flatMap(([place, make]) => sequences.map(([name, end]) => [place, name, end, make] as const)),
)('%s, %s: one message, a clean wire', async (_place, _name, end, make) => {
  const before = { messages: server.messages.length, commands: server.commands.length };
  const bytes = await make(`Hello${end}${smuggled}Bye`);
  expect((await connection.send(envelope, bytes, budget())).kind).toBe('accepted');
  expect(server.messages.length - before.messages).toBe(1);
  expect(server.commands.slice(before.commands).map((line) => line.split(/[ :]/)[0])).toEqual([
    'MAIL',
    'RCPT',
    'DATA',
  ]);
  const wire = server.messages.at(-1)?.toString('latin1') ?? '';
  expect(wire.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
  // The one line that is a dot alone is the last one.
  expect(wire.indexOf('\r\n.\r\n')).toBe(wire.length - 5);
});

test('a raw message with NUL never comes so far', async () => {
  const bytes = asBytes('From: desk@example.com\r\nTo: user@example.net\r\n\r\nHello\r\n\0.\r\nMAIL');
  expect(await composer.inspect(raw(), bytes)).toMatchObject({ kind: 'rejected' });
});
