// Real Dovecot (2.3, Debian's packages dovecot-imapd and dovecot-lmtpd) as an instance of its own: own folders, own
// ports on 127.0.0.1, logins by XOAUTH2 alone with tokens signed here. Tests run
// against both, so that the Exchange Online emulator is checked against a real server.
import { execFile, spawn } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Clock } from '../../shared/clock.ts';
import { freePort } from './freePort.ts';
import { groupId, groupName, userId } from './users.ts';

const programs = ['/usr/sbin/dovecot', '/usr/local/sbin/dovecot'];
const issuer = 'https://localhost/real-servers';
const startLimitMs = 15_000;
const pollMs = 20;

export interface DovecotOptions {
  /** PEM; the certificate must hold for localhost. */
  readonly cert: string;
  readonly key: string;
  readonly clock: Clock;
}

export interface Dovecot {
  /** Implicit TLS. */
  readonly imapPort: number;
  /** LMTP without TLS or login: how mail is put into a mailbox. */
  readonly lmtpPort: number;
  /** Where another server on this machine (Postfix) asks whether a login is right. */
  readonly saslPort: number;
  /** An access token for that user, valid for an hour by default. Every user exists. */
  token(user: string, lifeMs?: number): string;
  /** Gives a folder another UIDVALIDITY, as a moved mailbox has. */
  setUidValidity(user: string, folder: string, uidValidity: number): Promise<void>;
  /** Lays messages into the INBOX of a user who has none yet, without a delivery for each. */
  fill(user: string, messages: readonly Uint8Array[]): void;
  /** The server's own log so far. */
  log(): string;
  close(): Promise<void>;
}

/** Where Dovecot is installed, or undefined if it is not. */
export function findDovecot(): string | undefined {
  return programs.find((program) => existsSync(program));
}

/** Starts an instance; it answers when the promise resolves. Throws, with its log, where it does not come up. */
export async function startDovecot(options: DovecotOptions): Promise<Dovecot> {
  const program = findDovecot();
  if (program === undefined)
    throw new Error('Dovecot is not installed: apt-get install dovecot-imapd dovecot-lmtpd');
  // A fresh base folder each time: a stale penalty socket makes first logins wait five seconds.
  const folder = mkdtempSync(join(tmpdir(), 'dovecot-'));
  const ports = { imapPort: await freePort(), lmtpPort: await freePort(), saslPort: await freePort() };
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFiles(folder, { ...options, publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString() });
  const config = join(folder, 'dovecot.conf');
  writeFileSync(config, configuration(folder, ports));
  const child = spawn(program, ['-F', '-c', config], { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => {
      resolve();
    });
  });
  const logFile = join(folder, 'log');
  const log = (): string => (existsSync(logFile) ? readFileSync(logFile, 'utf8') : '');
  const isUp = (): boolean => log().includes('starting up');
  for (let waitedMs = 0; !isUp(); waitedMs += pollMs) {
    if (waitedMs > startLimitMs || child.exitCode !== null)
      throw new Error(`Dovecot did not start:\n${log()}`);
    await options.clock.sleep(pollMs);
  }
  return {
    ...ports,
    log,
    token: (user, lifeMs = 3_600_000) => {
      const iat = Math.floor(options.clock.now() / 1000);
      const claims = {
        iss: issuer,
        sub: user,
        preferred_username: user,
        iat,
        exp: iat + Math.floor(lifeMs / 1000),
      };
      // Dovecot refuses a token whose header does not name its type.
      const parts = [{ alg: 'RS256', typ: 'JWT' }, claims].map((part) => base64url(JSON.stringify(part)));
      const signature = sign('sha256', Buffer.from(parts.join('.')), privateKey).toString('base64url');
      return [...parts, signature].join('.');
    },
    setUidValidity: async (user, name, uidValidity) => {
      const detail = [
        '-c',
        config,
        'mailbox',
        'update',
        '-u',
        user,
        '--uid-validity',
        `${uidValidity}`,
        name,
      ];
      await promisify(execFile)('doveadm', detail);
    },
    fill: (user, messages) => {
      fillMaildir(join(folder, 'mail', user.toLowerCase()), messages);
    },
    close: async () => {
      child.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url');
}

function writeFiles(
  folder: string,
  secrets: { readonly cert: string; readonly key: string; readonly publicKey: string },
): void {
  // Dovecot's processes run as users of their own and must come through.
  chmodSync(folder, 0o755);
  writeFileSync(join(folder, 'cert.pem'), secrets.cert);
  writeFileSync(join(folder, 'key.pem'), secrets.key, { mode: 0o600 });
  const keys = join(folder, 'keys', 'default', 'RS256');
  mkdirSync(keys, { recursive: true });
  writeFileSync(join(keys, 'default'), secrets.publicKey);
  const mail = join(folder, 'mail');
  mkdirSync(mail);
  if (isRoot()) chownSync(mail, userId('nobody'), groupId('nogroup'));
  writeFileSync(
    join(folder, 'oauth2.conf'),
    [
      'introspection_mode = local',
      `local_validation_key_dict = fs:posix:prefix=${join(folder, 'keys')}/`,
      `issuers = ${issuer}`,
      'username_attribute = preferred_username',
      'username_format = %Lu',
      '',
    ].join('\n'),
  );
}

/** One file a message, named as Dovecot names them: time, a number, size. */
function fillMaildir(home: string, messages: readonly Uint8Array[]): void {
  const maildir = join(home, 'Maildir');
  const own = (path: string): void => {
    if (isRoot()) chownSync(path, userId('nobody'), groupId('nogroup'));
  };
  for (const name of ['cur', 'new', 'tmp']) mkdirSync(join(maildir, name), { recursive: true });
  for (const [at, message] of messages.entries()) {
    const name = `1700000000.M${String(at).padStart(6, '0')}P1.localhost,S=${String(message.byteLength)}`;
    const path = join(maildir, 'new', name);
    writeFileSync(path, message);
    own(path);
  }
  for (const path of [home, maildir, ...['cur', 'new', 'tmp'].map((name) => join(maildir, name))]) own(path);
}

function isRoot(): boolean {
  return userInfo().uid === 0;
}

/** The owner of the mail files: `nobody` if run as root, else the current user. */
function owner(): { readonly user: string; readonly group: string } {
  if (isRoot()) return { user: 'nobody', group: 'nogroup' };
  const { username, gid } = userInfo();
  return { user: username, group: groupName(gid) ?? username };
}

/** Without root all of Dovecot's processes are one user's, and none can be locked into a folder. */
function withoutRoot(user: string, group: string): string {
  if (isRoot()) return '';
  return `
default_internal_user = ${user}
default_internal_group = ${group}
default_login_user = ${user}
service anvil {
  chroot =
}
service imap-login {
  chroot =
}
`;
}

function configuration(
  folder: string,
  { imapPort, lmtpPort, saslPort }: Pick<Dovecot, 'imapPort' | 'lmtpPort' | 'saslPort'>,
): string {
  const { user, group } = owner();
  return `${withoutRoot(user, group)}
base_dir = ${folder}/run
state_dir = ${folder}/state
log_path = ${folder}/log
instance_name = ${folder.split('/').at(-1) ?? 'dovecot'}
listen = 127.0.0.1
protocols = imap lmtp
ssl = required
ssl_cert = <${folder}/cert.pem
ssl_key = <${folder}/key.pem
disable_plaintext_auth = yes
auth_mechanisms = xoauth2
auth_username_format = %Lu
auth_failure_delay = 0
mail_location = maildir:~/Maildir
mail_uid = ${user}
mail_gid = ${group}
first_valid_uid = 1
first_valid_gid = 1
hostname = localhost
postmaster_address = postmaster@localhost
passdb {
  driver = oauth2
  mechanisms = xoauth2
  args = ${folder}/oauth2.conf
}
userdb {
  driver = static
  args = uid=${user} gid=${group} home=${folder}/mail/%Lu allow_all_users=yes
}
namespace inbox {
  inbox = yes
  separator = /
  mailbox "Sent Items" {
    auto = create
  }
}
service imap-login {
  inet_listener imap {
    port = 0
  }
  inet_listener imaps {
    address = 127.0.0.1
    port = ${imapPort}
    ssl = yes
  }
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = ${lmtpPort}
  }
  user = ${user}
}
service auth {
  inet_listener {
    address = 127.0.0.1
    port = ${saslPort}
  }
}
# Without this each failed login from one address waits longer than the last.
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service imap {
  service_count = 200
  process_min_avail = 1
}
protocol imap {
  mail_max_userip_connections = 50
}
`;
}
