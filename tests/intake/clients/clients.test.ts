// Clients that exist, as system packages: curl, swaks, Python's smtplib, and JavaMail with the dialogs of ESM.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { copyFile, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeCertificates, type Certificates } from '../../../local/stack/certificates.ts';
import type { IntakeSettings } from '../../../intake/settings/intakeSettings.ts';
import { mail } from '../support/smtpDialog.ts';
import {
  newFolder,
  removeFolders,
  startIntake,
  until,
  type StartedIntake,
} from '../support/startedIntake.ts';
import { TestBridge } from '../support/testBridge.ts';

const token = `eyJhbGciOiJSUzI1NiJ9.${'a'.repeat(2_000)}.${'b'.repeat(300)}`;
let certificates: Certificates;
let folder: string;
let bridge: TestBridge;
let intake: StartedIntake;

beforeAll(async () => {
  certificates = await makeCertificates();
});

beforeEach(async () => {
  folder = await newFolder();
  await writeFile(`${folder}/ca.pem`, certificates.ca);
  await writeFile(`${folder}/cert.pem`, certificates.cert);
  await writeFile(`${folder}/key.pem`, certificates.key);
  bridge = new TestBridge();
  await bridge.start();
  const settings: Partial<IntakeSettings> = {
    // One as for ESM beside it, one as for ESM in a trusted network.
    listeners: [
      { address: '127.0.0.1', port: 0, isLoopback: true },
      { address: '127.0.0.1', port: 0, isLoopback: false },
    ],
    certificate: { certFile: `${folder}/cert.pem`, keyFile: `${folder}/key.pem` },
    login: { trustedNetworks: ['127.0.0.0/8'], anyLogin: true, users: new Map() },
  };
  intake = await startIntake(bridge, { settings });
});

afterEach(async () => {
  await intake.stop();
  await bridge.stop();
});

afterAll(removeFolders);

const loopback = (): string => String(intake.running.ports[0]);
const network = (): string => String(intake.running.ports[1]);

async function run(
  program: string,
  ...args: readonly string[]
): Promise<{ readonly ok: boolean; readonly output: string }> {
  try {
    const { stdout, stderr } = await promisify(execFile)(program, args, { timeout: 60_000 });
    return { ok: true, output: `${stdout}${stderr}` };
  } catch (error) {
    // Not `instanceof Error`: it was made outside the test's own world.
    const { stdout, stderr } = error as { readonly stdout?: string; readonly stderr?: string };
    const output = `${stdout ?? String(error)}${stderr ?? ''}`;
    return { ok: false, output };
  }
}

async function arrived(count = 1): Promise<string> {
  await until(() => bridge.messages.size >= count);
  return [...bridge.messages.values()].at(-1)?.content?.toString() ?? '';
}

describe('curl', () => {
  test('with --crlf', async () => {
    await writeFile(`${folder}/mail.txt`, mail({}, 'One\r\n.two\r\n').replaceAll('\r\n', '\n'));
    const { ok, output } = await run(
      'curl',
      '-sSv',
      '--crlf',
      `smtp://127.0.0.1:${loopback()}`,
      '--mail-from',
      'desk@example.com',
      '--mail-rcpt',
      'citizen@example.org',
      '-T',
      `${folder}/mail.txt`,
    );
    expect({ ok, output }).toEqual({
      ok: true,
      output: expect.stringContaining('250 2.0.0 Queued as smtp-'),
    });
    expect(await arrived()).toMatch(/\r\n\r\nOne\r\n\.two\r\n$/);
  });

  test('without --crlf sends LF, which is mended, and an empty line of its own', async () => {
    await writeFile(`${folder}/mail.txt`, mail().replaceAll('\r\n', '\n'));
    expect(
      await run(
        'curl',
        '-sS',
        `smtp://127.0.0.1:${loopback()}`,
        '--mail-from',
        'desk@example.com',
        '--mail-rcpt',
        'citizen@example.org',
        '-T',
        `${folder}/mail.txt`,
      ),
    ).toMatchObject({ ok: true });
    expect(await arrived()).toMatch(/\r\n\r\nHello\.\r\n\r\n$/);
  });

  test('with XOAUTH2 over STARTTLS', async () => {
    await writeFile(`${folder}/mail.txt`, mail());
    const { ok, output } = await run(
      'curl',
      '-sSv',
      '--ssl-reqd',
      '--cacert',
      `${folder}/ca.pem`,
      `smtp://localhost:${network()}`,
      '--oauth2-bearer',
      token,
      '--user',
      'desk@example.com',
      '--mail-from',
      'desk@example.com',
      '--mail-rcpt',
      'citizen@example.org',
      '-T',
      `${folder}/mail.txt`,
    );
    expect({ ok, output }).toEqual({ ok: true, output: expect.stringContaining('AUTH XOAUTH2') });
    await arrived();
    expect(JSON.stringify(intake.events)).not.toContain('aaaaaa');
  });
});

describe('swaks', () => {
  test.each(['PLAIN', 'LOGIN'])('with STARTTLS and AUTH %s', async (mechanism) => {
    const { ok, output } = await run(
      'swaks',
      '--server',
      'localhost',
      '--port',
      network(),
      '--tls',
      '--tls-ca-path',
      `${folder}/ca.pem`,
      '--auth',
      mechanism,
      '--auth-user',
      'desk',
      '--auth-password',
      'anything',
      '--from',
      'desk@example.com',
      '--to',
      'a@example.org,b@example.org',
    );
    expect({ ok, output }).toEqual({
      ok: true,
      output: expect.stringContaining('250 2.0.0 Queued as smtp-'),
    });
    await arrived();
    expect([...bridge.messages.values()][0]?.recipients).toEqual(['a@example.org', 'b@example.org']);
  });

  test('shows why a mail is refused', async () => {
    const { ok, output } = await run(
      'swaks',
      '--server',
      '127.0.0.1',
      '--port',
      loopback(),
      '--from',
      'x@elsewhere.example',
      '--to',
      'a@example.org',
    );
    expect({ ok, output }).toEqual({
      ok: false,
      output: expect.stringContaining('550 5.7.1 From "x@elsewhere.example" is no mailbox'),
    });
  });
});

describe("Python's smtplib", () => {
  test.each([
    [
      'send_message',
      'm=EmailMessage();m["From"]="desk@example.com";m["To"]="a@example.org";m["Subject"]="Pyyntö";m.set_content("Hyvää");s.send_message(m)',
    ],
    [
      'sendmail with LF in bytes',
      's.sendmail("desk@example.com",["a@example.org"],b"From: desk@example.com\\nTo: a@example.org\\nSubject: x\\n\\nHello\\n.\\n..\\n")',
    ],
    [
      '8-bit in the header',
      's.sendmail("desk@example.com",["a@example.org"],"From: desk@example.com\\nTo: Jörg <a@example.org>\\nSubject: Pyyntö\\n\\nHei\\n".encode("latin-1"))',
    ],
  ])('%s', async (_, code) => {
    const program = `import smtplib\nfrom email.message import EmailMessage\ns=smtplib.SMTP("127.0.0.1",${loopback()})\n${code}\ns.quit()`;
    expect(await run('python3', '-c', program)).toEqual({ ok: true, output: '' });
    expect(await arrived()).not.toMatch(/[^\r]\n/);
  });

  test('XOAUTH2', async () => {
    const program = `import smtplib,ssl\ns=smtplib.SMTP("localhost",${network()})\ns.starttls(context=ssl.create_default_context(cafile="${folder}/ca.pem"))\ns.ehlo()\nprint(s.auth("XOAUTH2",lambda c=None:"user=desk@example.com\\1auth=Bearer ${token}\\1\\1")[0])\ns.sendmail("desk@example.com",["a@example.org"],"From: desk@example.com\\nTo: a@example.org\\nSubject: x\\n\\nHello\\n")\ns.quit()`;
    expect(await run('python3', '-c', program)).toEqual({ ok: true, output: '235\n' });
    await arrived();
  });
});

describe('JavaMail', () => {
  const jars = '/usr/share/java/javax.mail.jar:/usr/share/java/javax.activation.jar';
  let classes: string;

  beforeAll(async () => {
    classes = await newFolder();
    await copyFile(join(import.meta.dirname, 'SendMail.java'), `${classes}/SendMail.java`);
    expect(await run('javac', '-cp', jars, '-d', classes, `${classes}/SendMail.java`)).toMatchObject({
      ok: true,
    });
  });

  async function java(scene: string, port: string, trusts = true): Promise<string> {
    const store = `${folder}/trust.p12`;
    await run(
      'keytool',
      '-importcert',
      '-noprompt',
      '-alias',
      'ca',
      '-file',
      `${folder}/ca.pem`,
      '-keystore',
      store,
      '-storetype',
      'PKCS12',
      '-storepass',
      'changeit',
    );
    const { output } = await run(
      'java',
      '-cp',
      `${classes}:${jars}`,
      'SendMail',
      scene,
      port,
      ...(trusts ? [store] : []),
    );
    return output;
  }

  test.each([
    ['plain', 'loopback', 'beside ESM, without a log-in'],
    ['null-sender', 'loopback', 'MAIL FROM:<>'],
    ['xoauth2', 'network', "ESM's OAuth token over STARTTLS"],
    ['login', 'network', 'the token as the password of LOGIN, its mechanisms not set'],
  ])('%s (%s): %s', async (scene, place) => {
    expect(await java(scene, place === 'loopback' ? loopback() : network())).toMatch(/^sent </);
    const content = await arrived();
    expect(content).toContain('Subject: =?UTF-8?Q?[INC-42]_P=C3=A4ivitys?=');
    expect([...bridge.messages.values()][0]?.recipients).toEqual([
      'citizen@example.org',
      'archive@example.com',
    ]);
    expect(content).not.toMatch(/^Bcc:/im);
    expect(JSON.stringify(intake.events)).not.toContain('aaaaaa');
  });

  test('one bad recipient does not cost the others their mail', async () => {
    expect(await java('bad-recipient', loopback())).toMatch(/^sent </);
    await until(() => bridge.failures.length === 1);
    expect(bridge.failures[0]?.body).toMatchObject({
      kind: 'recipients',
      recipients: [{ recipient: 'nobody@localhost' }],
    });
  });

  test('without the authority in its trust store it says so', async () => {
    expect(await java('xoauth2', network(), false)).toMatch(
      /^broken MessagingException: Could not convert socket to TLS/,
    );
  });

  test('a mail whose 250 came too late is sent again and is there once', async () => {
    const slow = await slowReplies(Number(loopback()));
    try {
      const output = await java('repeat', String((slow.address() as AddressInfo).port));
      expect(output).toMatch(/^broken MessagingException: Exception reading response\nsent </);
    } finally {
      slow.close();
    }
    await until(() => intake.events.some(({ name }) => name === 'intake.repeated'));
    await until(() => intake.events.some(({ name }) => name === 'intake.handedOn'));
    expect(bridge.messages.size).toBe(1);
  });
});

/** Passes a connection on, and holds the first 250 for a message back until the client is gone. */
async function slowReplies(port: number): Promise<Server> {
  let isFirst = true;
  const server = createServer((socket) => {
    const upstream = connect(port, '127.0.0.1');
    socket.pipe(upstream);
    upstream.on('data', (chunk: Buffer) => {
      if (isFirst && chunk.includes('Queued as')) isFirst = false;
      else socket.write(chunk);
    });
    socket.on('close', () => upstream.destroy());
    socket.on('error', () => upstream.destroy());
    upstream.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return server;
}
