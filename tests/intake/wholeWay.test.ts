// From an SMTP client through the intake and the deployed package to the ticket: mail that is sent, mail that is refused
// later, and the failure report in INBOX of the mailbox.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { systemClock } from '../../shared/clock.ts';
import { keys, mailbox, startHttpRig, type HttpRig } from '../http/rig.ts';
import { quickSettings } from '../../local/stack/shortIntervals.ts';
import { client } from './support/smtpDialog.ts';
import { removeFolders, startIntake, until, type StartedIntake } from './support/startedIntake.ts';

let rig: HttpRig;
let intake: StartedIntake;

beforeAll(async () => {
  rig = await startHttpRig({ sends: true, settings: quickSettings });
  rig.stack.exchange.recipient('nobody@kunta.example', { kind: 'refuse' });
  intake = await startIntake({ url: rig.host.url, key: keys.sender }, { clock: systemClock });
}, 120_000);

afterAll(async () => {
  await intake.stop();
  await rig.close();
  await removeFolders();
}, 60_000);

const inbox = (): readonly string[] =>
  rig.stack.exchange.store
    .mailbox(mailbox)
    .role('inbox')
    .messages.map(({ content }) => content.buffer().toString('latin1'));

const isReported = (): boolean => inbox().some((text) => text.includes('[INC-42]'));

test('an agent’s answer that is refused comes back onto its ticket, once; the bridge’s own fetch leaves it alone', async () => {
  const dialog = await client(intake.port);
  const send = (to: string, subject: string): Promise<string> =>
    dialog.send({
      from: mailbox,
      to: [to],
      content: `From: Desk <${mailbox}>\r\nTo: <${to}>\r\nSubject: ${subject}\r\nMessage-ID: <${subject.length}@esm>\r\n\r\nHello.\r\n`,
    });
  expect(await send('citizen@example.org', 'Re: [INC-41] Door')).toMatch(/^250 /);
  expect(await send('nobody@kunta.example', 'Re: [INC-42] Printer')).toMatch(/^250 /);
  for (let tries = 0; tries < 8 && !isReported(); tries += 1) await until(isReported).catch(() => undefined);
  const reports = inbox().filter((text) => text.includes('@bridge.invalid>'));
  expect(reports).toHaveLength(1);
  expect(reports[0]).toContain('Subject: Re: [INC-42] Printer\r\n');
  expect(reports[0]).toContain('nobody@kunta.example');
  const { body } = await rig.ask('GET', '/api/notices?max=32&hide=1', { key: keys.receiver });
  expect(body['messages']).toEqual([]);
}, 300_000);
