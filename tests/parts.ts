// The system packages that some tests need, how to detect them, and how to install them.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { findBicep } from '../local/build/bicep.ts';

export interface Part {
  readonly name: string;
  /** The tests that need it. */
  readonly folder: string;
  present(): boolean;
  /** How to install it. */
  readonly remedy: string;
}

const debian = (packages: string): string =>
  `Get it with: apt-get install --no-install-recommends ${packages}`;

export const parts: readonly Part[] = [
  {
    name: 'Dovecot',
    folder: 'tests/real/dovecot',
    present: () => onPath('dovecot'),
    remedy: debian('dovecot-imapd dovecot-lmtpd'),
  },
  {
    name: 'Postfix',
    folder: 'tests/real/postfix',
    // Postfix asks Dovecot about logins, and starts as root or not at all.
    present: () => onPath('postfix') && onPath('dovecot') && process.getuid?.() === 0,
    remedy: `${debian('postfix dovecot-imapd dovecot-lmtpd')}, and run the tests as root`,
  },
  {
    name: 'Chromium',
    folder: 'tests/browser',
    present: () => onPath('chromium'),
    remedy: debian('chromium'),
  },
  {
    name: 'Mail clients',
    folder: 'tests/intake/clients',
    present: () =>
      ['curl', 'swaks', 'python3', 'javac', 'keytool'].every(onPath) &&
      existsSync('/usr/share/java/javax.mail.jar') &&
      // Without it swaks has no TLS.
      existsSync('/usr/share/doc/libnet-ssleay-perl'),
    remedy: debian('curl swaks libnet-ssleay-perl python3 default-jdk-headless libmail-java'),
  },
  {
    name: 'Bicep CLI',
    folder: 'tests/infra',
    present: () => findBicep() !== undefined,
    remedy:
      'Get it with: az bicep install, or (where the .NET SDK is) node local/start.mjs local/build/bicep.ts',
  },
];

/** Whether a program of that name is on the path, or where Debian puts servers. */
function onPath(program: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.some((folder) => folder !== '' && existsSync(join(folder, program)));
}
