// The settings file: JSON, read whole, with everything that is wrong with it reported at once. docs/intake.md has the
// table; a test compares the two.
import { BlockList, isIP } from 'node:net';
import { hostname } from 'node:os';
import { Problems } from '../../shared/config/problems.ts';
import { parseAddress } from '../../shared/mail/address.ts';
import { joinPath, kindOf, quoteBriefly } from '../../shared/mail/quote.ts';
import type { MarkingRule } from '../message/marking.ts';
import type { UnknownFrom } from '../message/judge.ts';
import { isPasswordHash } from '../smtp/passwords.ts';
import type {
  IntakeSettingProblem,
  IntakeSettings,
  ListenerSettings,
  LoginSettings,
} from './intakeSettings.ts';
import { networkList } from './networks.ts';

export type IntakeSettingsAnswer =
  | { readonly kind: 'ok'; readonly settings: IntakeSettings }
  | { readonly kind: 'problems'; readonly problems: readonly IntakeSettingProblem[] };

type Json = Readonly<Record<string, unknown>>;

/** Every setting, for docs/intake.md and for the complaint about one that does not exist. */
export const intakeSettingsTable: Readonly<
  Record<string, { readonly without: string; readonly what: string }>
> = {
  name: {
    without: 'required',
    what: "This intake's name on the bridge's page: letters, digits, `-`, at most 40.",
  },
  'bridge.url': { without: 'required', what: 'Address of the bridge, `https://NAME.azurewebsites.net`.' },
  'bridge.keyFile': {
    without: 'required',
    what: "File with a key of the bridge's that may send for the mailboxes. Readable for the intake alone.",
  },
  'bridge.caFile': { without: 'none', what: 'More certificate authorities to trust for the bridge, PEM.' },
  'bridge.proxy': {
    without: 'none',
    what: 'HTTP proxy for all requests to the bridge, `http://proxy.example.com:3128`.',
  },
  'spool.folder': {
    without: 'required',
    what: 'Folder for mail that waits, absolute. On a local disk; exclude it from virus scanners.',
  },
  'spool.freeMegabytes': {
    without: '`1024`',
    what: 'No mail is taken (452) while less than this is free on its volume (100 to 1,000,000).',
  },
  'spool.lock': {
    without: '`local`',
    what: '`lease` if the folder is on a share that two hosts can mount; `local` otherwise.',
  },
  listen: {
    without: '`[{"address":"127.0.0.1","port":587}]`',
    what: 'Where clients connect, at most 10 places. Anything but loopback needs `certificate`.',
  },
  'listen[].address': {
    without: 'required',
    what: 'IP address of this machine; `0.0.0.0` and `::` are all of them.',
  },
  'listen[].port': { without: '`587`', what: 'Port (1 to 65535).' },
  'certificate.certFile': {
    without: 'none',
    what: 'Certificate with its chain, PEM. Read again when the file changes.',
  },
  'certificate.keyFile': { without: 'none', what: 'Its private key, PEM, without a passphrase.' },
  hostName: {
    without: "the machine's name",
    what: 'Name in the greeting; the certificate should be for it.',
  },
  'login.trustedNetworks': {
    without: '`[]`',
    what: 'Ranges such as `10.1.2.0/24` whose clients are trusted: ESM’s OAuth token is accepted from them, unread. Loopback always is.',
  },
  'login.anyLogin': {
    without: '`true`',
    what: 'From a trusted network any name and password is accepted, since a token can arrive as a password.',
  },
  'login.users': {
    without: '`{}`',
    what: 'Name and hash of those who log in from elsewhere; `intake password` makes the hash.',
  },
  unknownFrom: {
    without: '`refuse`',
    what: '`refuse` or `rewrite` mail whose From is no mailbox of the bridge.',
  },
  rewriteTo: {
    without: 'required with `rewrite`',
    what: 'The mailbox that such mail is sent from, unless MAIL FROM names one.',
  },
  marking: {
    without: '`[]`',
    what: 'Rules for notifications that get `Auto-Submitted`: each with `mailbox`, `subject` (with `*`) or both.',
  },
  connections: { without: '`100`', what: 'Open connections at most (1 to 1,000).' },
};

export function readIntakeSettings(text: string): IntakeSettingsAnswer {
  const problems = new Problems();
  let written: unknown;
  try {
    written = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/[^\x20-\x7e]/g, ' ').slice(0, 150) : '';
    problems.add('settings', `is not valid JSON (${reason}); correct it`);
    return { kind: 'problems', problems: problems.found };
  }
  if (!isObject(written)) {
    problems.add('settings', `must be an object, and is ${kindOf(written)}`);
    return { kind: 'problems', problems: problems.found };
  }
  const reader = new Reader(problems);
  reader.only(written, '', topLevel);
  const listeners = readListeners(written, reader);
  const certificate = readCertificate(written, reader, listeners);
  const settings: IntakeSettings = {
    name: reader.text(written, 'name', {
      fits: /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38}[A-Za-z0-9])?$/,
      rule: 'must be 1 to 40 letters, digits and hyphens; write "esm-1"',
    }),
    bridge: readBridge(written, reader),
    spool: readSpool(written, reader),
    listeners,
    ...(certificate === undefined ? {} : { certificate }),
    login: readLogin(written, reader),
    hostName: reader.text(written, 'hostName', {
      fits: /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/,
      rule: 'must be a host name; write "mail-intake.example.com"',
      otherwise: hostname(),
    }),
    connectionsMost: reader.number(written, 'connections', { least: 1, most: 1_000, otherwise: 100 }),
    unknownFrom: readUnknownFrom(written, reader),
    marking: readMarking(written, reader),
  };
  return problems.found.length === 0
    ? { kind: 'ok', settings }
    : { kind: 'problems', problems: problems.found };
}

const topLevel = [
  'name',
  'bridge',
  'spool',
  'listen',
  'certificate',
  'hostName',
  'login',
  'unknownFrom',
  'rewriteTo',
  'marking',
  'connections',
];

function readBridge(written: Json, reader: Reader): IntakeSettings['bridge'] {
  const bridge = reader.object(written, 'bridge', ['url', 'keyFile', 'caFile', 'proxy']);
  const url = reader.text(bridge, 'bridge.url', {
    fits: /^https?:\/\/[^\s/?#@]+(?:\/[^\s?#@]*)?$/i,
    rule: 'must be an https address without a query; write "https://NAME.azurewebsites.net"',
  });
  const host = URL.parse(url)?.hostname ?? '';
  if (/^http:/i.test(url) && !isLoopbackHost(host)) {
    reader.problems.add('bridge.url', 'must be an https address: the key would go over the network in clear');
  }
  if (/\/api\/?$/.test(url)) reader.problems.add('bridge.url', 'must end with the host name; remove "/api"');
  const caFile = reader.path(bridge, 'bridge.caFile', 'optional');
  const proxy = reader.optionalText(bridge, 'bridge.proxy', {
    fits: /^https?:\/\/[^\s/?#]+\/?$/i,
    rule: 'must be the address of a proxy; write "http://proxy.example.com:3128"',
  });
  return {
    url: url.replace(/\/+$/, ''),
    keyFile: reader.path(bridge, 'bridge.keyFile', 'required') ?? '',
    ...(caFile === undefined ? {} : { caFile }),
    ...(proxy === undefined ? {} : { proxy }),
  };
}

function readSpool(written: Json, reader: Reader): IntakeSettings['spool'] {
  const spool = reader.object(written, 'spool', ['folder', 'freeMegabytes', 'lock']);
  const free = reader.number(spool, 'spool.freeMegabytes', { least: 100, most: 1_000_000, otherwise: 1_024 });
  const lock = reader.optionalText(spool, 'spool.lock', {
    fits: /^(?:local|lease)$/,
    rule: 'must be "local" or "lease"; leave it out for local',
  });
  return {
    folder: (reader.path(spool, 'spool.folder', 'required') ?? '').replace(/[\\/]+$/, ''),
    freeMinimumBytes: free * 1_000_000,
    lock: lock === 'lease' ? 'lease' : 'local',
  };
}

function readListeners(written: Json, reader: Reader): readonly ListenerSettings[] {
  const value = written['listen'] ?? [{ address: '127.0.0.1', port: 587 }];
  if (!Array.isArray(value) || value.length === 0 || value.length > 10) {
    reader.problems.add(
      'listen',
      'must be a list of 1 to 10 places; write [{"address":"127.0.0.1","port":587}]',
    );
    return [];
  }
  const found: ListenerSettings[] = [];
  for (const [index, entry] of (value as readonly unknown[]).entries()) {
    const place = `listen[${index}]`;
    if (!isObject(entry)) {
      reader.problems.add('listen', `must be an object, and is ${kindOf(entry)}`, place);
      continue;
    }
    reader.only(entry, place, ['address', 'port']);
    const address = entry['address'];
    const port = reader.number(entry, `${place}.port`, { least: 1, most: 65_535, otherwise: 587 });
    if (typeof address !== 'string' || isIP(address) === 0) {
      reader.problems.add(
        'listen',
        'must be an IP address of this machine; write "127.0.0.1"',
        `${place}.address`,
      );
    } else if (found.some((other) => other.address === address && other.port === port)) {
      reader.problems.add('listen', `is there twice (${address}, port ${port}); remove one`, place);
    } else
      found.push({
        address,
        port,
        isLoopback: loopback.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4'),
      });
  }
  return found;
}

function readCertificate(
  written: Json,
  reader: Reader,
  listeners: readonly ListenerSettings[],
): IntakeSettings['certificate'] | undefined {
  if (written['certificate'] === undefined) {
    const open = listeners.find(({ isLoopback }) => !isLoopback);
    if (open !== undefined) {
      reader.problems.add(
        'certificate',
        `is missing, and ${open.address} is not loopback; write {"certFile":"...","keyFile":"..."}`,
      );
    }
    return undefined;
  }
  const certificate = reader.object(written, 'certificate', ['certFile', 'keyFile']);
  return {
    certFile: reader.path(certificate, 'certificate.certFile', 'required') ?? '',
    keyFile: reader.path(certificate, 'certificate.keyFile', 'required') ?? '',
  };
}

function readLogin(written: Json, reader: Reader): LoginSettings {
  const login =
    written['login'] === undefined
      ? {}
      : reader.object(written, 'login', ['trustedNetworks', 'anyLogin', 'users']);
  const networks = login['trustedNetworks'] ?? [];
  const trusted: string[] = [];
  if (!Array.isArray(networks) || networks.length > 200) {
    reader.problems.add(
      'login.trustedNetworks',
      'must be a list of at most 200 ranges; write ["10.1.2.0/24"]',
    );
  } else {
    for (const [index, network] of (networks as readonly unknown[]).entries()) {
      const place = `login.trustedNetworks[${index}]`;
      if (typeof network === 'string' && networkList([network]) !== undefined) {
        if (network.endsWith('/0')) {
          reader.problems.add(
            'login.trustedNetworks',
            'is the whole Internet; name the networks of ESM',
            place,
          );
        } else trusted.push(network);
      } else
        reader.problems.add(
          'login.trustedNetworks',
          'must be an address or a range; write "10.1.2.0/24"',
          place,
        );
    }
  }
  const anyLogin = login['anyLogin'] ?? true;
  if (typeof anyLogin !== 'boolean') {
    reader.problems.add(
      'login.anyLogin',
      `must be true or false, without quotation marks, and is ${kindOf(anyLogin)}`,
    );
  }
  return { trustedNetworks: trusted, anyLogin: anyLogin !== false, users: readUsers(login, reader) };
}

function readUsers(login: Json, reader: Reader): ReadonlyMap<string, string> {
  const users = login['users'] ?? {};
  const found = new Map<string, string>();
  if (!isObject(users)) {
    reader.problems.add('login.users', `must be an object of names and hashes, and is ${kindOf(users)}`);
    return found;
  }
  for (const [user, hash] of Object.entries(users).slice(0, 1_000)) {
    const place = joinPath('login.users', user);
    if (typeof hash !== 'string' || !isPasswordHash(hash)) {
      reader.problems.add('login.users', 'is no hash of a password; make one with: intake password', place);
    } else if (found.has(user.toLowerCase())) {
      reader.problems.add(
        'login.users',
        'is there twice (case does not tell names apart); remove one',
        place,
      );
    } else found.set(user.toLowerCase(), hash);
  }
  return found;
}

function readUnknownFrom(written: Json, reader: Reader): UnknownFrom {
  const value = reader.optionalText(written, 'unknownFrom', {
    fits: /^(?:refuse|rewrite)$/,
    rule: 'must be "refuse" or "rewrite"; leave it out for refuse',
  });
  const mailbox = written['rewriteTo'];
  if (value !== 'rewrite') {
    if (mailbox !== undefined) {
      reader.problems.add(
        'rewriteTo',
        'has no effect without "unknownFrom": "rewrite"; write both or neither',
      );
    }
    return { kind: 'refuse' };
  }
  const answer = typeof mailbox === 'string' ? parseAddress(mailbox) : undefined;
  if (answer?.kind === 'ok') return { kind: 'rewrite', mailbox: answer.address };
  reader.problems.add(
    'rewriteTo',
    answer === undefined ? 'is missing; write the address of a mailbox' : answer.detail,
  );
  return { kind: 'refuse' };
}

function readMarking(written: Json, reader: Reader): readonly MarkingRule[] {
  const value = written['marking'] ?? [];
  if (!Array.isArray(value) || value.length > 200) {
    reader.problems.add('marking', 'must be a list of at most 200 rules; write [{"subject":"Alert: *"}]');
    return [];
  }
  return (value as readonly unknown[]).flatMap((entry, index) => {
    const place = `marking[${index}]`;
    if (!isObject(entry)) {
      reader.problems.add('marking', `must be an object, and is ${kindOf(entry)}`, place);
      return [];
    }
    reader.only(entry, place, ['mailbox', 'subject']);
    const { mailbox, subject } = { mailbox: entry['mailbox'], subject: entry['subject'] };
    if (mailbox === undefined && subject === undefined) {
      reader.problems.add('marking', 'has neither "mailbox" nor "subject"; write one of them', place);
      return [];
    }
    const address = typeof mailbox === 'string' ? parseAddress(mailbox) : undefined;
    if (mailbox !== undefined && address?.kind !== 'ok') {
      reader.problems.add(
        'marking',
        address?.detail ?? 'must be the address of a mailbox',
        `${place}.mailbox`,
      );
    }
    const isPattern = typeof subject === 'string' && subject !== '' && subject.length <= 200;
    if (subject !== undefined && !isPattern) {
      reader.problems.add(
        'marking',
        'must be text of 1 to 200 characters; * stands for any text',
        `${place}.subject`,
      );
    }
    return [
      {
        ...(address?.kind === 'ok' ? { mailbox: address.address.toLowerCase() } : {}),
        ...(isPattern ? { subject } : {}),
      },
    ];
  });
}

const examples: Readonly<Record<string, string>> = {
  bridge: '{"url":"https://NAME.azurewebsites.net","keyFile":"/etc/esm-mail-intake/bridge-key"}',
  spool: '{"folder":"/var/lib/esm-mail-intake"}',
  certificate: '{"certFile":"...","keyFile":"..."}',
};

interface TextRule {
  readonly fits: RegExp;
  readonly rule: string;
}

/** Reads values and notes what is wrong with them. `place` is the setting's name in the table. */
class Reader {
  readonly problems: Problems;

  constructor(problems: Problems) {
    this.problems = problems;
  }

  object(parent: Json, place: string, names: readonly string[]): Json {
    const value = parent[place];
    if (isObject(value)) {
      this.only(value, place, names);
      return value;
    }
    this.problems.add(
      place,
      value === undefined
        ? `is missing; write ${examples[place] ?? '{}'}`
        : `must be an object, and is ${kindOf(value)}`,
    );
    return missing;
  }

  only(value: Json, place: string, names: readonly string[]): void {
    for (const name of Object.keys(value).slice(0, 1_000)) {
      if (names.includes(name)) continue;
      const near = names.find((known) => known.toLowerCase() === name.toLowerCase());
      this.problems.add(
        joinPath(place, name),
        near === undefined
          ? `is no setting; those here are ${names.join(', ')}`
          : `is no setting; did you mean ${near}?`,
      );
    }
  }

  text(parent: Json, place: string, rule: TextRule & { readonly otherwise?: string }): string {
    const value = this.optionalText(parent, place, rule);
    if (value !== undefined || parent === missing) return value ?? '';
    if (parent[last(place)] === undefined) {
      if (rule.otherwise !== undefined) return rule.otherwise;
      this.problems.add(place, `is missing; it ${rule.rule}`);
    }
    return '';
  }

  optionalText(parent: Json, place: string, { fits, rule }: TextRule): string | undefined {
    const value = parent[last(place)];
    if (value === undefined) return undefined;
    if (typeof value === 'string' && value.length <= 2_000 && fits.test(value)) return value;
    this.problems.add(place, rule);
    return undefined;
  }

  path(parent: Json, place: string, need: 'required' | 'optional'): string | undefined {
    const value = parent[last(place)];
    if (value === undefined) {
      if (need === 'required' && parent !== missing) {
        this.problems.add(place, 'is missing; write an absolute path');
      }
      return undefined;
    }
    const isAbsolute = typeof value === 'string' && /^(?:\/|[A-Za-z]:[\\/]|\\\\)/.test(value);
    if (isAbsolute && value.length <= 1_000 && !value.includes('\u0000')) return value;
    this.problems.add(
      place,
      `must be an absolute path${typeof value === 'string' ? `, and is ${quoteBriefly(value)}` : ''}`,
    );
    return undefined;
  }

  number(
    parent: Json,
    place: string,
    { least, most, otherwise }: { readonly least: number; readonly most: number; readonly otherwise: number },
  ): number {
    const value = parent[last(place)];
    if (value === undefined) return otherwise;
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
    this.problems.add(
      place,
      `must be a whole number from ${least} to ${most}; leave it out for ${otherwise}`,
    );
    return otherwise;
  }
}

/** Stands for an object that is not there, so that what it should hold is not complained about as well. */
const missing: Json = {};

function last(place: string): string {
  return place.slice(place.lastIndexOf('.') + 1);
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || host.startsWith('127.');
}
