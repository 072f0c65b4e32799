// What a mail client does in its life, played with imapflow against any server, and what it saw, in terms that two
// right servers must agree on (names of capabilities and generations of UIDs are left out). The emulator is
// checked against real Dovecot.
import { createHash } from 'node:crypto';
import { ImapFlow } from 'imapflow';
import type { FetchMessageObject } from 'imapflow';

export interface ImapServer {
  readonly port: number;
  readonly ca: string;
  readonly user: string;
  readonly token: string;
}

export type Seen = readonly (readonly [string, unknown])[];

export const samples: Readonly<Record<string, string>> = {
  plain: lines(
    'From: "Kim Andersson" <kim@fabrikam.test>',
    'To: desk@contoso.test, "Support, Second Line" <second@contoso.test>',
    'Cc: Team: a@contoso.test, b@contoso.test;',
    'Subject: The printer',
    ' on floor 3',
    'Date: Wed, 25 Nov 2026 09:00:00 +0200',
    'Message-ID: <plain@fabrikam.test>',
    'X-Mail-Bridge-Id: abc.1',
    '',
    'It is on fire.',
    '.',
    'Kim',
  ),
  nested: lines(
    'From: =?utf-8?Q?P=C3=A4ivi?= <paivi@fabrikam.test>',
    'Subject: =?utf-8?B?TGlpdHRlZXQ=?=',
    'Message-ID: <nested@fabrikam.test>',
    'In-Reply-To: <plain@fabrikam.test>',
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary="outer"',
    '',
    'A preamble.',
    '--outer',
    'Content-Type: multipart/alternative; boundary=inner',
    '',
    '--inner',
    'Content-Type: text/plain; charset=utf-8; format=flowed',
    'Content-Transfer-Encoding: 8bit',
    '',
    Buffer.from('Hyvää päivää', 'utf8').toString('latin1'),
    '--inner',
    'Content-Type: text/html; charset=utf-8',
    '',
    '<p>Hyv&auml;&auml;</p>',
    '--inner--',
    '--outer',
    'Content-Type: application/octet-stream; name="a b.bin"',
    'Content-Disposition: attachment; filename="a b.bin"; size=3',
    'Content-Transfer-Encoding: base64',
    'Content-ID: <one@x>',
    'Content-Description: three bytes',
    '',
    'AAEC',
    '--outer',
    'Content-Type: message/rfc822',
    '',
    'From: <lee@fabrikam.test>',
    'Subject: Within',
    'Message-ID: <within@fabrikam.test>',
    '',
    'Inside.',
    '--outer--',
    '',
  ),
  headersOnly: 'From: <a@b.test>\r\nSubject: Nothing more\r\n\r\n',
};

function lines(...all: readonly string[]): string {
  return `${all.join('\r\n')}\r\n`;
}

/** Plays the whole life in folders of its own below the inbox's account; the list of what was seen. */
export async function playImap(server: ImapServer): Promise<Seen> {
  const seen: [string, unknown][] = [];
  const note = (what: string, value: unknown): void => {
    seen.push([what, value]);
  };
  const client = imapClient(server);
  const other = imapClient(server);
  await client.connect();
  await other.connect();
  try {
    for (const step of [
      folders,
      appending,
      fetching,
      sections,
      searching,
      flags,
      copying,
      otherSessions,
      cleaning,
    ]) {
      await step(client, other, note);
    }
  } finally {
    await client.logout();
    await other.logout();
  }
  return seen;
}

export function imapClient({ port, ca, user, token }: ImapServer): ImapFlow {
  const client = new ImapFlow({
    host: 'localhost',
    port,
    secure: true,
    tls: { ca },
    auth: { user, accessToken: token },
    logger: false,
  });
  // Without a listener a reset would end the process.
  client.on('error', () => undefined);
  return client;
}

type Step = (
  client: ImapFlow,
  other: ImapFlow,
  note: (what: string, value: unknown) => void,
) => Promise<void>;

const FOLDER = 'Työ & jono';
const DONE = 'Käsitelty';

const folders: Step = async (client, _other, note) => {
  note('create', (await client.mailboxCreate(FOLDER)).created);
  await client.mailboxCreate(DONE);
  const listed = await client.list();
  note(
    'listed',
    listed
      .map(({ path }) => path)
      .filter((path) => [FOLDER, DONE, 'INBOX'].includes(path))
      .sort(),
  );
  note('open what is not there', await refused(client.mailboxOpen('No such folder')));
  const opened = await client.mailboxOpen(FOLDER);
  note('open', { exists: opened.exists, readOnly: opened.readOnly === true, uidNext: opened.uidNext });
};

const appending: Step = async (client, _other, note) => {
  const date = new Date('2026-11-24T10:11:12Z');
  for (const [name, bytes] of Object.entries(samples)) {
    const answer = await client.append(
      FOLDER,
      Buffer.from(bytes, 'latin1'),
      name === 'plain' ? ['\\Seen'] : [],
      date,
    );
    note(`append ${name}`, answer !== false && answer.uid);
  }
  await client.noop();
  note('exists', client.mailbox !== false && client.mailbox.exists);
  note(
    'status',
    without(await client.status(FOLDER, { messages: true, unseen: true, uidNext: true }), 'path'),
  );
};

const fetching: Step = async (client, _other, note) => {
  const query = {
    uid: true,
    flags: true,
    internalDate: true,
    envelope: true,
    bodyStructure: true,
    source: true,
  };
  for (const message of await client.fetchAll('1:*', query, { uid: true })) {
    note(`message ${message.uid}`, {
      seq: message.seq,
      flags: flagsOf(message),
      internalDate: new Date(message.internalDate ?? 0).toISOString(),
      envelope: message.envelope,
      structure: message.bodyStructure,
      source: hash(message.source),
    });
  }
  const numbers = async (range: string, uid: boolean): Promise<number[]> =>
    (await client.fetchAll(range, { uid: true }, { uid })).map((message) => message.uid);
  note('above the last, to the end', await numbers('99:*', true));
  note('above the last', await numbers('99:100', true));
  note('a list', await numbers('3,1', true));
  note('by sequence', await numbers('2:*', false));
};

const sections: Step = async (client, _other, note) => {
  const [first] = await client.fetchAll('1', { headers: ['subject', 'x-mail-bridge-id'] }, { uid: true });
  note('some headers', first?.headers?.toString());
  const [all] = await client.fetchAll('1', { headers: true }, { uid: true });
  note('all headers', all?.headers?.toString());
  for (const [start, maxLength] of [
    [0, 10],
    [5, 20],
    [400, 10_000],
    [10_000, 10],
  ]) {
    const [part] = await client.fetchAll('2', { source: { start, maxLength } }, { uid: true });
    note(`bytes ${start ?? 0} and on`, part?.source?.toString('latin1'));
  }
  // Not '1': Dovecot gives a nested multipart the line end that RFC 2046 5.1.1 gives to the delimiter after it.
  const parts = ['1.1', '1.2', '1.1.mime', '2', '3', '3.header', '3.text', 'text'];
  for (const key of parts) {
    const [message] = await client.fetchAll('2', { bodyParts: [key] }, { uid: true });
    note(`part ${key}`, message?.bodyParts?.get(key)?.toString('latin1') ?? null);
  }
  const download = await client.download('2', '2', { uid: true });
  const chunks: Buffer[] = [];
  for await (const chunk of download.content ?? []) chunks.push(chunk as Buffer);
  note('download of a part', Buffer.concat(chunks).toString('hex'));
};

const searching: Step = async (client, _other, note) => {
  const searches: readonly (readonly [string, Parameters<ImapFlow['search']>[0]])[] = [
    ['all', { all: true }],
    ['uids', { uid: '2:3' }],
    ['above', { uid: '50:*' }],
    ['seen', { seen: true }],
    ['unseen', { seen: false }],
    ['since', { since: new Date('2026-11-24T00:00:00Z') }],
    ['since too late', { since: new Date('2026-11-25T00:00:00Z') }],
    ['before', { before: new Date('2026-11-24T00:00:00Z') }],
    ['on', { on: new Date('2026-11-24T00:00:00Z') }],
    ['a header', { header: { 'x-mail-bridge-id': 'ABC.1' } }],
    ['a header that is there', { header: { 'in-reply-to': '' } }],
    ['a header that is not', { header: { 'x-mail-bridge-id': 'abc.2' } }],
    ['subject', { subject: 'printer' }],
    ['from', { from: 'fabrikam' }],
    ['body', { body: 'fire' }],
    ['either', { or: [{ subject: 'printer' }, { subject: 'Nothing' }] }],
    ['not', { not: { subject: 'printer' } }],
    ['larger', { larger: 500 }],
  ];
  for (const [name, query] of searches) note(`search ${name}`, await client.search(query, { uid: true }));
};

const flags: Step = async (client, _other, note) => {
  const shown = async (uid: string): Promise<string[]> => {
    const message = await client.fetchOne(uid, { flags: true }, { uid: true });
    return message === false ? ['gone'] : flagsOf(message);
  };
  await client.messageFlagsAdd('2', ['\\Flagged', '\\Seen'], { uid: true });
  note('added', await shown('2'));
  await client.messageFlagsRemove('2', ['\\Seen'], { uid: true });
  note('removed', await shown('2'));
  await client.messageFlagsSet('2:3', ['\\Answered'], { uid: true });
  note('set', [await shown('2'), await shown('3')]);
  note('on nothing', await client.messageFlagsAdd('77', ['\\Seen'], { uid: true }));
  const opened = await client.mailboxOpen(FOLDER, { readOnly: true });
  note('read-only', opened.readOnly);
  await client.mailboxOpen(FOLDER);
};

const copying: Step = async (client, _other, note) => {
  note('copy', uidMap(await client.messageCopy('1:2', DONE, { uid: true })));
  note('move', uidMap(await client.messageMove('2', DONE, { uid: true })));
  note('move what is not there', uidMap(await client.messageMove('66', DONE, { uid: true })));
  note('move to nowhere', await client.messageMove('1', 'No such folder', { uid: true }));
  note('left', await client.search({ all: true }, { uid: true }));
  note('moved', without(await client.status(DONE, { messages: true, unseen: true }), 'path'));
  await client.messageFlagsAdd('1', ['\\Deleted'], { uid: true });
  note('delete another only', await client.messageDelete('3', { uid: true }));
  note('left after it', await client.search({ all: true }, { uid: true }));
};

const otherSessions: Step = async (client, other, note) => {
  await client.mailboxOpen(DONE);
  await other.mailboxOpen(DONE);
  const reported: [string, unknown][] = [];
  const changed = new Promise<void>((resolve) => {
    client.on('exists', ({ count }: { count: number }) => {
      reported.push(['exists', count]);
      if (reported.length === 3) resolve();
    });
    client.on('expunge', ({ seq, uid }: { seq?: number; uid?: number }) => {
      reported.push(['expunge', seq ?? uid]);
      if (reported.length === 3) resolve();
    });
    client.on('flags', ({ seq, flags: now }: { seq: number; flags: Set<string> }) => {
      // A server may report the flag before the expunge, or the expunge alone.
      if (now.has('\\Deleted')) return;
      reported.push(['flags', [seq, [...now].filter((flag) => flag !== '\\Recent').sort()]]);
      if (reported.length === 3) resolve();
    });
  });
  const idle = client.idle();
  await other.messageFlagsAdd('1', ['\\Flagged'], { uid: true });
  await waitFor(() => reported.length === 1);
  await other.append(DONE, Buffer.from(samples['headersOnly'] ?? ''));
  await waitFor(() => reported.length === 2);
  await other.messageDelete('2', { uid: true });
  await changed;
  note('reported while idle', reported);
  await client.noop();
  await idle;
  note('after it', await client.search({ all: true }, { uid: true }));
};

const cleaning: Step = async (client, other, note) => {
  await client.mailboxClose();
  await other.mailboxClose();
  note('rename', await client.mailboxRename(FOLDER, 'Arkisto 2').then(({ newPath }) => newPath));
  note('delete', [await gone(client, 'Arkisto 2'), await gone(client, DONE)]);
  const listed = await client.list();
  note('listed at the end', listed.filter(({ path }) => ['Arkisto 2', FOLDER, DONE].includes(path)).length);
};

async function gone(client: ImapFlow, path: string): Promise<boolean> {
  await client.mailboxDelete(path);
  return (await client.status(path, { messages: true }).catch(() => false)) === false;
}

async function refused(act: Promise<unknown>): Promise<unknown> {
  try {
    await act;
    return 'not refused';
  } catch (trouble) {
    return trouble instanceof Error && 'responseStatus' in trouble ? trouble.responseStatus : 'another error';
  }
}

function flagsOf(message: FetchMessageObject): string[] {
  // \Recent is no flag that two servers need agree on.
  return [...(message.flags ?? [])].filter((flag) => flag !== '\\Recent').sort();
}

function hash(bytes: Buffer | undefined): string {
  return createHash('sha256')
    .update(bytes ?? '')
    .digest('hex');
}

function uidMap(answer: Awaited<ReturnType<ImapFlow['messageMove']>>): unknown {
  return answer === false ? false : [...(answer.uidMap ?? [])];
}

function without(value: object | false, name: string): unknown {
  return value === false
    ? false
    : Object.fromEntries(
        Object.entries(value)
          .filter(([key]) => key !== name)
          .sort(),
      );
}

async function waitFor(done: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500 && !done(); tries += 1) {
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
}
