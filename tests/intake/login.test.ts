// Who may send, over real connections with TLS.
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import nodemailer from 'nodemailer';
import { makeCertificates, type Certificates } from '../../local/stack/certificates.ts';
import type { IntakeSettings, LoginSettings } from '../../intake/settings/intakeSettings.ts';
import { hashPassword, Passwords } from '../../intake/smtp/passwords.ts';
import { client, mail } from './support/smtpDialog.ts';
import { newFolder, removeFolders, startIntake, type StartedIntake } from './support/startedIntake.ts';
import { TestBridge } from './support/testBridge.ts';

let certificates: Certificates;
let bridge: TestBridge;
let intake: StartedIntake | undefined;
let certificateFolder = '';

beforeAll(async () => {
  certificates = await makeCertificates();
});

beforeEach(async () => {
  bridge = new TestBridge();
  await bridge.start();
});

afterEach(async () => {
  await intake?.stop();
  intake = undefined;
  await bridge.stop();
  await removeFolders();
});

/** A listener that counts as not being on loopback, although the test reaches it there. */
async function open(login: Partial<LoginSettings>, isLoopback = false): Promise<StartedIntake> {
  const folder = await newFolder();
  certificateFolder = folder;
  await writeFile(`${folder}/cert.pem`, certificates.cert);
  await writeFile(`${folder}/key.pem`, certificates.key);
  const settings: Partial<IntakeSettings> = {
    listeners: [{ address: '127.0.0.1', port: 0, isLoopback }],
    certificate: { certFile: `${folder}/cert.pem`, keyFile: `${folder}/key.pem` },
    login: { trustedNetworks: [], anyLogin: true, users: new Map(), ...login },
  };
  intake = await startIntake(bridge, { settings });
  return intake;
}

type Auth =
  | { readonly user: string; readonly pass: string }
  | { readonly type: 'OAuth2'; readonly user: string; readonly accessToken: string };

async function send(port: number, auth: Auth | undefined, more: object = {}): Promise<string> {
  const transport = nodemailer.createTransport({
    host: 'localhost',
    port,
    requireTLS: true,
    tls: { ca: certificates.ca },
    ...(auth === undefined ? {} : { auth }),
    ...more,
  } as object);
  try {
    const sent = (await transport.sendMail({
      from: 'desk@example.com',
      to: 'a@example.org',
      subject: 'x',
      text: 'y',
    })) as { response: string };
    return sent.response;
  } catch (error) {
    return error instanceof Error && 'response' in error ? String(error.response) : String(error);
  } finally {
    transport.close();
  }
}

const token = `ey${'J'.repeat(20)}.${'a'.repeat(2_000)}.${'b'.repeat(100)}`;
const local = { trustedNetworks: ['127.0.0.0/8'] };

describe('beyond loopback', () => {
  test.each<[string, Partial<LoginSettings>, Auth | undefined, object, RegExp]>([
    [
      'a token from a trusted network is accepted',
      local,
      { type: 'OAuth2', user: 'desk@example.com', accessToken: token },
      {},
      /^250 2\.0\.0 Queued/,
    ],
    [
      'a token from elsewhere is refused',
      {},
      { type: 'OAuth2', user: 'desk@example.com', accessToken: token },
      {},
      /535.*trustedNetworks/,
    ],
    [
      'a token as the password of LOGIN',
      { ...local, anyLogin: false },
      { user: 'desk@example.com', pass: token },
      { authMethod: 'LOGIN' },
      /^250 /,
    ],
    [
      'a token as the password of PLAIN from elsewhere',
      {},
      { user: 'desk@example.com', pass: token },
      { authMethod: 'PLAIN' },
      /535.*trustedNetworks/,
    ],
    ['any password from a trusted network', local, { user: 'x', pass: 'y' }, {}, /^250 /],
    [
      'any password from a trusted network without anyLogin',
      { ...local, anyLogin: false },
      { user: 'x', pass: 'y' },
      {},
      /535/,
    ],
    ['no log-in from a trusted network', local, undefined, {}, /530/],
    [
      'a wrong password from elsewhere',
      {},
      { user: 'x', pass: 'y' },
      {},
      /535 5\.7\.8 Name or password is wrong/,
    ],
  ])('%s', async (_, login, auth, more, expected) => {
    const { port, events } = await open(login);
    expect(await send(port, auth, more)).toMatch(expected);
    expect(JSON.stringify(events)).not.toContain('aaaaaaaa');
  });

  test('a user of the settings logs in, whatever the case of the name', async () => {
    const { port } = await open({
      users: new Map([['printer', await hashPassword('correct horse battery')]]),
    });
    expect(await send(port, { user: 'Printer', pass: 'correct horse battery' })).toMatch(/^250 /);
    expect(await send(port, { user: 'printer', pass: 'wrong horse battery' })).toMatch(/535/);
  });

  test('AUTH without STARTTLS is refused, and so is MAIL', async () => {
    const { port } = await open(local);
    const dialog = await client(port);
    expect(await dialog.say('AUTH PLAIN AHgAeQ==')).toMatch(/^538/);
    expect(await dialog.say('MAIL FROM:<desk@example.com>')).toMatch(/^530/);
    await dialog.quit();
  });

  test('a token of 14 KB fits into a command', async () => {
    const { port } = await open(local);
    const auth = {
      type: 'OAuth2',
      user: 'desk@example.com',
      accessToken: `ey${'a'.repeat(14_000)}.b.c`,
    } as const;
    expect(await send(port, auth)).toMatch(/^250 /);
  });
});

describe('on loopback', () => {
  test('neither AUTH nor STARTTLS is needed, and both are offered', async () => {
    const { port } = await open({}, true);
    const dialog = await client(port);
    const hello = await dialog.say('EHLO esm');
    expect(hello).toMatch(/STARTTLS/);
    expect(hello).toMatch(/AUTH PLAIN LOGIN XOAUTH2/);
    expect(await dialog.send({ content: mail() })).toMatch(/^250 /);
    const blob = Buffer.from(`user=desk@example.com\u0001auth=Bearer ${token}\u0001\u0001`).toString(
      'base64',
    );
    expect(await dialog.say(`AUTH XOAUTH2 ${blob}`)).toMatch(/^235/);
    await dialog.quit();
  });

  test('without a certificate STARTTLS is not offered', async () => {
    intake = await startIntake(bridge);
    const dialog = await client(intake.port);
    expect(await dialog.say('EHLO esm')).not.toMatch(/STARTTLS/);
    expect(await dialog.say('STARTTLS')).toMatch(/^500/);
    await dialog.quit();
  });
});

test('a renewed certificate is used for new connections without a restart', async () => {
  const { port } = await open(local);
  const renewed = await makeCertificates();
  await writeFile(`${certificateFolder}/cert.pem`, renewed.cert);
  await writeFile(`${certificateFolder}/key.pem`, renewed.key);
  const auth = { user: 'x', pass: 'y' };
  for (let tries = 0; tries < 500; tries += 1) {
    const reply = await send(port, auth, { tls: { ca: renewed.ca } });
    if (reply.startsWith('250')) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('The new certificate was never used');
});

describe('passwords', () => {
  test('are hashed one at a time, and remembered once they were right', async () => {
    const passwords = new Passwords(new Map([['printer', await hashPassword('correct horse battery')]]));
    const many = await Promise.all(Array.from({ length: 30 }, () => passwords.check('printer', 'wrong')));
    expect(many.filter((answer) => answer === 'busy')).toHaveLength(10);
    expect(many.filter((answer) => answer === 'wrong')).toHaveLength(20);
    expect(await passwords.check('printer', 'correct horse battery')).toBe('right');
    const before = process.cpuUsage().user;
    for (let count = 0; count < 100; count += 1) {
      expect(await passwords.check('Printer', 'correct horse battery')).toBe('right');
    }
    // A hundred hashes take 24 s of processor time; remembered ones next to none.
    expect(process.cpuUsage(undefined).user - before).toBeLessThan(5_000_000);
  });

  test('of a name that does not exist are wrong', async () => {
    const passwords = new Passwords(new Map([['printer', await hashPassword('correct horse battery')]]));
    expect(await passwords.check('scanner', 'correct horse battery')).toBe('wrong');
    expect(await new Passwords(new Map()).check('x', 'y')).toBe('wrong');
  });
});
