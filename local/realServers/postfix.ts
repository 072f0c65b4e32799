// Real Postfix (3.7, Debian's package postfix) as an instance of its own: own queue, own log, own ports on 127.0.0.1.
// It asks the Dovecot beside it whether a login is right (SASL) and hands it what it took (LMTP). No mail can leave
// the machine: what is not for an address here is refused at RCPT, and nothing is resolved by DNS.
//
// It listens three times, and the listeners differ in what they offer:
//   port            as submission should be: STARTTLS before anything else, XOAUTH2, SIZE
//   withoutTlsPort  no STARTTLS, and so no login either
//   withoutSizePort as the first, but EHLO announces no SIZE: only the end of the message shows that it is too large
//
// Postfix starts as root or not at all; its own processes then run as the user `postfix`.
import { spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../shared/clock.ts';
import type { Dovecot } from './dovecot.ts';
import { freePort } from './freePort.ts';
import { groupId, userId } from './users.ts';

/** The process that all others are children of; /usr/sbin/postfix is a script around it. */
const programs = ['/usr/lib/postfix/sbin/master', '/usr/libexec/postfix/master'];
const startLimitMs = 15_000;
const pollMs = 20;
/** It ends by itself after this time, even if its parent has died. */
const lifetimeSeconds = 900;

export interface PostfixOptions {
  /** PEM; the certificate must hold for localhost. */
  readonly cert: string;
  readonly key: string;
  readonly clock: Clock;
  /** Checks the logins and takes the mail. */
  readonly dovecot: Pick<Dovecot, 'saslPort' | 'lmtpPort'>;
  /** The mailboxes, all of one domain; each logs in as itself and sends as itself alone. */
  readonly addresses: readonly [string, ...(readonly string[])];
  readonly messageMostBytes: number;
}

export interface Postfix {
  readonly port: number;
  readonly withoutTlsPort: number;
  readonly withoutSizePort: number;
  /** The server's own log so far. */
  log(): string;
  close(): Promise<void>;
}

/** Starts an instance; it answers when the promise resolves. Throws, with its log, where it does not come up. */
export async function startPostfix(options: PostfixOptions): Promise<Postfix> {
  const program = programs.find((one) => existsSync(one));
  if (program === undefined) throw new Error('Postfix is not installed: apt-get install postfix');
  if (userInfo().uid !== 0) throw new Error('Postfix can be started by root only');
  const folder = mkdtempSync(join(tmpdir(), 'postfix-'));
  const ports = {
    port: await freePort(),
    withoutTlsPort: await freePort(),
    withoutSizePort: await freePort(),
  };
  makeFolders(folder);
  writeFileSync(join(folder, 'cert.pem'), options.cert);
  writeFileSync(join(folder, 'key.pem'), options.key, { mode: 0o600 });
  writeFileSync(join(folder, 'main.cf'), mainSettings(folder, options));
  writeFileSync(join(folder, 'master.cf'), services(ports));
  // Its end is a signal to its whole process group, which must not be ours.
  const child = spawn(program, ['-c', folder, '-e', `${lifetimeSeconds}`], {
    stdio: 'ignore',
    detached: true,
  });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => {
      resolve();
    });
  });
  const logFile = join(folder, 'log', 'postfix');
  const log = (): string => (existsSync(logFile) ? readFileSync(logFile, 'utf8') : '');
  for (let waitedMs = 0; !log().includes('daemon started'); waitedMs += pollMs) {
    if (waitedMs > startLimitMs || child.exitCode !== null)
      throw new Error(`Postfix did not start:\n${log()}`);
    await options.clock.sleep(pollMs);
  }
  return {
    ...ports,
    log,
    close: async () => {
      child.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What `postfix check` would make, with the owners that its processes ask for. */
function makeFolders(folder: string): void {
  // Postfix's processes run as a user of their own and must come through.
  chmodSync(folder, 0o755);
  const [owner, dropGroup] = [userId('postfix'), groupId('postdrop')];
  const make = (name: string, mode: number, group = 0): void => {
    const path = join(folder, name);
    mkdirSync(path, { recursive: true });
    chmodSync(path, mode);
    chownSync(path, owner, group);
  };
  for (const name of ['data', 'log']) make(name, 0o700);
  for (const name of ['active', 'bounce', 'corrupt', 'defer', 'deferred', 'flush', 'hold', 'incoming'])
    make(join('queue', name), 0o700);
  for (const name of ['private', 'saved', 'trace']) make(join('queue', name), 0o700);
  make(join('queue', 'maildrop'), 0o730, dropGroup);
  make(join('queue', 'public'), 0o710, dropGroup);
  mkdirSync(join(folder, 'queue', 'pid'));
}

function mainSettings(folder: string, options: PostfixOptions): string {
  const { addresses, dovecot, messageMostBytes } = options;
  const domain = addresses[0].slice(addresses[0].indexOf('@') + 1);
  const table = (entries: readonly (readonly [string, string])[]): string =>
    `inline:{ ${entries.map(([key, value]) => `{ ${key} = ${value} }`).join(', ')} }`;
  const settings: Readonly<Record<string, string | number>> = {
    compatibility_level: '3.6',
    queue_directory: `${folder}/queue`,
    data_directory: `${folder}/data`,
    maillog_file: `${folder}/log/postfix`,
    maillog_file_prefixes: folder,
    myhostname: 'mail.localhost',
    inet_interfaces: '127.0.0.1',
    inet_protocols: 'ipv4',
    smtpd_peername_lookup: 'no',
    disable_dns_lookups: 'yes',
    // No client network is trusted, and the one domain is the only local one.
    mynetworks: '',
    mydestination: '',
    local_recipient_maps: '',
    alias_maps: '',
    virtual_mailbox_domains: domain,
    virtual_mailbox_maps: table(addresses.map((address) => [address, '1'])),
    virtual_transport: `lmtp:inet:127.0.0.1:${dovecot.lmtpPort}`,
    default_transport: 'error:5.7.1 no mail leaves this machine',
    relay_transport: 'error:5.7.1 no mail leaves this machine',
    smtpd_tls_cert_file: `${folder}/cert.pem`,
    smtpd_tls_key_file: `${folder}/key.pem`,
    smtpd_tls_security_level: 'encrypt',
    smtpd_tls_auth_only: 'yes',
    smtpd_sasl_auth_enable: 'yes',
    smtpd_sasl_type: 'dovecot',
    smtpd_sasl_path: `inet:127.0.0.1:${dovecot.saslPort}`,
    smtpd_sasl_security_options: 'noanonymous',
    smtpd_relay_restrictions: 'permit_sasl_authenticated, reject',
    smtpd_sender_login_maps: table(addresses.map((address) => [address, address])),
    smtpd_recipient_restrictions: 'reject_sender_login_mismatch, permit_sasl_authenticated, reject',
    // Else Postfix adds fields for clients on this machine, and what arrives is not what was sent.
    local_header_rewrite_clients: '',
    message_size_limit: messageMostBytes,
    mailbox_size_limit: 0,
    smtpd_error_sleep_time: 0,
    bounce_queue_lifetime: 0,
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${value}\n`)
    .join('');
}

function services(ports: Pick<Postfix, 'port' | 'withoutTlsPort' | 'withoutSizePort'>): string {
  // service, kind, whether it is reached from within only, wake-up time, most processes, program and arguments
  const lines: readonly (readonly [string, string, 'n' | '-', string, string, string])[] = [
    [`127.0.0.1:${ports.port}`, 'inet', 'n', '-', '-', 'smtpd'],
    [
      `127.0.0.1:${ports.withoutTlsPort}`,
      'inet',
      'n',
      '-',
      '-',
      'smtpd -o smtpd_tls_security_level=none -o syslog_name=postfix/withoutTls',
    ],
    [
      `127.0.0.1:${ports.withoutSizePort}`,
      'inet',
      'n',
      '-',
      '-',
      'smtpd -o smtpd_discard_ehlo_keywords=size -o syslog_name=postfix/withoutSize',
    ],
    ['pickup', 'unix', 'n', '60', '1', 'pickup'],
    ['cleanup', 'unix', 'n', '-', '0', 'cleanup'],
    ['qmgr', 'unix', 'n', '300', '1', 'qmgr'],
    ['tlsmgr', 'unix', '-', '1000?', '1', 'tlsmgr'],
    ['rewrite', 'unix', '-', '-', '-', 'trivial-rewrite'],
    ['bounce', 'unix', '-', '-', '0', 'bounce'],
    ['defer', 'unix', '-', '-', '0', 'bounce'],
    ['trace', 'unix', '-', '-', '0', 'bounce'],
    ['proxymap', 'unix', '-', '-', '-', 'proxymap'],
    ['error', 'unix', '-', '-', '-', 'error'],
    ['retry', 'unix', '-', '-', '-', 'error'],
    ['lmtp', 'unix', '-', '-', '-', 'lmtp'],
    ['anvil', 'unix', '-', '-', '1', 'anvil'],
    ['scache', 'unix', '-', '-', '1', 'scache'],
    ['postlog', 'unix-dgram', 'n', '-', '1', 'postlogd'],
  ];
  return lines
    .map(([name, kind, isPrivate, wake, most, command]) =>
      // The column between: without chroot, everywhere.
      [name, kind, isPrivate, '-', 'n', wake, most, command].join(' '),
    )
    .join('\n')
    .concat('\n');
}
