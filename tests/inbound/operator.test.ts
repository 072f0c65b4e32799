// What an operator may do to mail that was fetched, at the emulator, with the store in memory.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Exchange } from '../../local/emulators/exchange/exchange.ts';
import type { Mailbox } from '../../shared/mail/mailbox.ts';
import { certificates, closeAll, exchangeWith, tokenFor } from '../local/exchange/harness.ts';
import { mixedMail } from './mixedMail.ts';
import {
  closeParser,
  DESK,
  imapAt,
  mail,
  mailboxOf,
  rigOf,
  TestTokens,
  type Rig,
  type RigOptions,
} from './rig.ts';
import { sortingMailbox } from './sorting.ts';

afterEach(closeAll);
afterAll(closeParser);

const run = { invocationId: 'test' };

async function worldWith(
  more: Partial<Mailbox> = {},
  options: Partial<RigOptions> = {},
): Promise<{ readonly exchange: Exchange; readonly rig: Rig }> {
  const exchange = await exchangeWith();
  const { ca } = await certificates();
  const imap = imapAt(exchange.imapPort, ca, new TestTokens((user) => tokenFor(user)));
  exchange.store.mailbox(DESK).create('Incoming');
  return { exchange, rig: rigOf({ mailboxes: [mailboxOf(DESK, more)], imap, ...options }) };
}

const absence = mixedMail(1);

function subjects(exchange: Exchange, folder: string): readonly string[] {
  const messages = exchange.store.mailbox(DESK).folder(folder)?.messages ?? [];
  return messages.map(
    ({ content }) => /^Subject: (.*)\r$/m.exec(Buffer.from(content.buffer()).toString())?.[1] ?? '',
  );
}

/** Announces two mails of Kim and one of Lee, who answers to Kim; their ids in that order. */
async function three(more: Partial<Mailbox> = {}): Promise<{
  readonly exchange: Exchange;
  readonly rig: Rig;
  readonly ids: readonly [string, string, string];
}> {
  const { exchange, rig } = await worldWith(more);
  const long = 'A line of text.\r\n'.repeat(4_000);
  for (const one of [
    mail({ 'Message-ID': '<1@x>' }, long),
    mail({ 'Message-ID': '<2@x>', From: 'Lee <lee@fabrikam.test>', 'Reply-To': 'KIM@fabrikam.test' }),
    mail({ 'Message-ID': '<3@x>', From: 'Lee <lee@fabrikam.test>' }),
  ])
    exchange.store.mailbox(DESK).deliver(one);
  await rig.inbound.fetchAll(run);
  const [one = '', two = '', other = ''] = rig.notices().map(({ id }) => id);
  return { exchange, rig, ids: [one, two, other] };
}

const blobsOf = (rig: Rig, id: string): readonly string[] =>
  [...rig.blobs.blobs.keys()].filter((name) => name.split('/')[1] === id);

describe('erase', () => {
  test('removes all blobs of the message, which stays known', async () => {
    const { exchange, rig, ids } = await three();
    expect(blobsOf(rig, ids[0]).length).toBeGreaterThan(1);
    expect(await rig.inbound.operator.erase(DESK, ids[0])).toEqual({ kind: 'done' });
    expect(blobsOf(rig, ids[0])).toEqual([]);
    expect(blobsOf(rig, ids[1])).toHaveLength(1);
    expect(await rig.inbound.operator.erase(DESK, ids[0])).toEqual({ kind: 'contentGone' });

    exchange.store.mailbox(DESK).folder('INBOX')?.renumber(99, 50);
    await rig.inbound.fetchAll(run);
    expect(rig.notices()).toHaveLength(3);
    expect(blobsOf(rig, ids[0])).toEqual([]);
  });

  test.each([
    ['another mailbox', 'other@contoso.test', 'x'],
    ['another message', DESK, 'no-such-id'],
  ])('%s is unknown', async (_name, address, id) => {
    const { rig } = await three();
    const { operator } = rig.inbound;
    expect(await operator.erase(address, id)).toEqual({ kind: 'unknown' });
    expect(await operator.announceAgain(address, id)).toEqual({ kind: 'unknown' });
    expect(await operator.download(address, id, '/nowhere')).toEqual({ kind: 'unknown' });
    expect(await operator.moveToPersons(address, id)).toEqual({ kind: 'unknown' });
  });

  test('everything of a correspondent: From and Reply-To, in any case of letters, and nobody else’s', async () => {
    const { rig, ids } = await three();
    const { operator } = rig.inbound;
    expect(await operator.eraseCorrespondent(DESK, 'kim@FABRIKAM.test')).toEqual({ erasedCount: 2 });
    expect(blobsOf(rig, ids[0])).toEqual([]);
    expect(blobsOf(rig, ids[1])).toEqual([]);
    expect(blobsOf(rig, ids[2])).toHaveLength(1);
    expect(await operator.eraseCorrespondent(DESK, 'kim@fabrikam.test')).toEqual({ erasedCount: 0 });
    expect(await operator.eraseCorrespondent('other@contoso.test', 'kim@fabrikam.test')).toBeUndefined();
  });
});

describe('announcing again', () => {
  test('publishes the same notice', async () => {
    const { rig, ids } = await three();
    expect(await rig.inbound.operator.announceAgain(DESK, ids[0])).toEqual({ kind: 'done' });
    const [first, , , again] = rig.notices();
    expect({ ...again, time: '' }).toEqual({ ...first, time: '' });
  });

  test('is refused if nobody takes notices, and if the content is gone', async () => {
    const { rig, ids } = await three();
    await rig.inbound.operator.erase(DESK, ids[0]);
    expect(await rig.inbound.operator.announceAgain(DESK, ids[0])).toEqual({ kind: 'contentGone' });
    const silent = await worldWith({}, { eventsTo: 'none' });
    silent.exchange.store.mailbox(DESK).deliver(mail({ 'Message-ID': '<1@x>' }));
    await silent.rig.inbound.fetchAll(run);
    const [entry] = silent.rig.ledger.entries.values();
    expect(await silent.rig.inbound.operator.announceAgain(DESK, entry?.id ?? '')).toMatchObject({
      kind: 'refused',
    });
  });
});

describe('download', () => {
  const folder = join(tmpdir(), 'operator-');
  let made: string;
  beforeAll(() => {
    made = mkdtempSync(folder);
  });
  afterAll(() => {
    rmSync(made, { recursive: true });
  });

  test('is the message as the server gave it', async () => {
    const { rig, ids } = await three();
    const path = join(made, 'mail.eml');
    expect(await rig.inbound.operator.download(DESK, ids[2], path)).toEqual({ kind: 'done' });
    expect(readFileSync(path, 'latin1')).toContain('Message-ID: <3@x>');
    await rig.inbound.operator.erase(DESK, ids[2]);
    expect(await rig.inbound.operator.download(DESK, ids[2], path)).toEqual({ kind: 'contentGone' });
  });
});

describe('moving to persons’ mail', () => {
  async function sorted(more: Partial<Mailbox> = {}): Promise<{
    readonly exchange: Exchange;
    readonly rig: Rig;
    readonly id: string;
  }> {
    const { exchange, rig } = await worldWith({ ...sortingMailbox, ...more });
    exchange.store.mailbox(DESK).deliver(absence.text, { folder: 'Incoming' });
    await rig.inbound.fetchAll(run);
    return { exchange, rig, id: rig.notices()[0]?.id ?? '' };
  }

  test('what was sorted as a machine’s is in INBOX then', async () => {
    const { exchange, rig, id } = await sorted();
    expect(subjects(exchange, 'AutoReplies')).toEqual([absence.subject]);
    expect(await rig.inbound.operator.moveToPersons(DESK, id)).toEqual({ kind: 'done' });
    expect(subjects(exchange, 'AutoReplies')).toEqual([]);
    expect(subjects(exchange, 'INBOX')).toEqual([absence.subject]);
  });

  test.each<[string, Partial<Mailbox>, string]>([
    ['kept where it is', { afterFetch: { kind: 'none' } }, 'is not moved'],
    ['deleted', { afterFetchByKind: { autoReply: { kind: 'delete' } } }, 'is deleted'],
  ])('is refused if mail is %s', async (_name, more, detail) => {
    const { rig, id } = await sorted(more);
    expect(await rig.inbound.operator.moveToPersons(DESK, id)).toMatchObject({
      kind: 'refused',
      detail: expect.stringContaining(detail),
    });
  });

  test('is refused if the message is not there any more', async () => {
    const { exchange, rig, id } = await sorted();
    const folder = exchange.store.mailbox(DESK).folder('AutoReplies');
    for (const { uid } of folder?.messages ?? []) folder?.remove(uid);
    expect(await rig.inbound.operator.moveToPersons(DESK, id)).toMatchObject({
      kind: 'refused',
      detail: expect.stringContaining('AutoReplies'),
    });
  });
});
