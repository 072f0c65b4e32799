// The first screen of the operator's page on a large bridge: mailboxes with an account each, finished messages, dead letters,
// bounces and counts of a week, all in the store as they would be. The page is asked for several times; what it costs the
// store is counted on the wire, and the time that its calls take is subtracted from the time of the answer.
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../shared/clock.ts';
import { hourOf, writeCounts } from '../../shared/mail/hourCounts.ts';
import { putText } from '../../shared/outbound/records/chunks.ts';
import { emptyState, encodeState } from '../../shared/outbound/records/accountState.ts';
import { accountsPartition, messageKey, stateKey } from '../../shared/outbound/records/keys.ts';
import type { Message } from '../../shared/outbound/records/message.ts';
import { encodeMessage, encodeRecipients, indexRow } from '../../shared/outbound/records/messageRow.ts';
import type { Operation } from '../../shared/outbound/ports.ts';
import { tableNames } from '../../shared/storage/names.ts';
import { TableRows } from '../../shared/storage/tableRows.ts';
import { domain, startRig, type Part, type Rig } from './rig.ts';
import { percentile } from './report.ts';

export interface OpsSize {
  readonly mailboxCount: number;
  readonly finishedCount: number;
  readonly rounds: number;
}

export interface OpsFigures {
  readonly size: OpsSize;
  /** Of one answer. */
  readonly callCount: number;
  readonly answerMsP50: number;
  /** Without the time in which at least one storage call was open. */
  readonly ownMsP50: number;
  readonly ownMsMost: number;
  readonly pageBytes: number;
}

const deadLettersCount = 10;
const batchCount = 100;
const countedHours = 168;

export async function benchOps(part: Part, size: OpsSize): Promise<OpsFigures> {
  const addresses = Array.from({ length: size.mailboxCount }, (_, at) => `desk${String(at)}@${domain}`);
  const rig = await startRig(part, {
    mailboxes: addresses.map((address) => ({ address, signIn: 'application', receive: false })),
    settings: { WEBSITE_AUTH_ENABLED: 'True' },
  });
  try {
    const rows = new TableRows(rig.stack.store.table(tableNames.outbox));
    const perAccount = Math.ceil(size.finishedCount / addresses.length);
    for (const [index, address] of addresses.entries()) {
      await seed(address, perAccount, rows);
      if (index % 10 === 9) part.log(`${String((index + 1) * perAccount)} finished messages are stored`);
    }
    await rig.host.run('sweepOutbound');
    await pause(2_000);
    return await ask(rig, size);
  } finally {
    await rig.close();
  }
}

async function seed(address: string, finishedCount: number, rows: TableRows): Promise<void> {
  const now = systemClock.now();
  const write = async (partition: string, operations: readonly Operation[]): Promise<void> => {
    const answer = await rows.commit(partition, operations);
    if (answer.kind !== 'ok') throw new Error(`not stored: ${JSON.stringify(answer)}`);
  };
  const hour = hourOf(now);
  const hours = Array.from({ length: countedHours }, (_, at) => ({
    hour: hour - at,
    of: `${address} reports`,
    counts: { sent: at % 7, failed: at % 2, recipients: at % 11 },
  }));
  await write(accountsPartition, [
    { kind: 'insert', key: address, fields: putText('hours', writeCounts(hours)) },
  ]);
  const messages = Array.from({ length: finishedCount + deadLettersCount }, (_, at) =>
    aMessage(address, at, at < deadLettersCount ? 'failed' : 'sent', now),
  );
  for (let from = 0; from < messages.length; from += batchCount)
    await write(
      address,
      messages.slice(from, from + batchCount).map((one) => ({
        kind: 'insert',
        key: messageKey(one.id),
        fields: encodeMessage(one, ''),
      })),
    );
  const index = messages.flatMap((one) => indexRow(one) ?? []);
  const bounced = messages.slice(-deadLettersCount).map(({ id }) => ({ id, at: now }));
  await write(address, [
    { kind: 'insert', key: stateKey, fields: encodeState({ ...emptyState, bounced }) },
    ...index.map((row) => ({ kind: 'insert', ...row }) as const),
  ]);
}

function aMessage(mailbox: string, number: number, state: 'sent' | 'failed', at: number): Message {
  const id = `INC-${String(number).padStart(6, '0')}`;
  return {
    id,
    hash: 'ab'.repeat(32),
    submissionHash: 'ab'.repeat(32),
    mailbox,
    lane: 1,
    content: Buffer.from(encodeRecipients([])),
    blobs: [],
    messageId: `<${id}@${domain}>`,
    acceptedAt: at,
    datedAt: at,
    correlation: { ticket: id },
    state,
    indexEntry: state === 'sent' ? { kind: 'none' } : { kind: 'suspended', group: 'failed', at },
    attempt: 1,
    recipients: [{ address: `someone${String(number)}@example.net`, state }],
    deferrals: 0,
    deferredMs: 0,
    sequence: 2,
    detail: 'User unknown: 550 5.1.1 The recipient does not exist.',
    changedAt: at,
    charged: 1,
    chargedAt: at,
    history: [{ at, type: 'mail.accepted' }],
    bounces: [],
  };
}

async function ask({ host, calls, openCalls }: Rig, size: OpsSize): Promise<OpsFigures> {
  const claims = [
    { typ: 'oid', val: 'a1' },
    { typ: 'preferred_username', val: `admin@${domain}` },
    { typ: 'roles', val: 'MailBridge.Administrator' },
  ];
  const headers = {
    'x-ms-client-principal-idp': 'aad',
    'x-ms-client-principal': Buffer.from(JSON.stringify({ claims })).toString('base64'),
    cookie: 'AppServiceAuthSession=x',
  };
  const counts: number[] = [];
  const answerMs: number[] = [];
  const ownMs: number[] = [];
  let pageBytes = 0;
  // The first answer loads the program; it is not measured.
  for (let round = -1; round < size.rounds; round += 1) {
    // Not while the sweep of the minute runs: its calls would be counted.
    while (new Date(systemClock.now()).getUTCSeconds() < 15) await pause(500);
    calls.reset();
    openCalls.reset();
    const startedAt = performance.now();
    const answer = await fetch(`${host.url}/api/ops?hours=168`, { headers });
    const body = await answer.text();
    const elapsedMs = performance.now() - startedAt;
    if (answer.status !== 200 || !body.includes('INC-000000'))
      throw new Error(`answered ${String(answer.status)}`);
    if (round < 0) continue;
    counts.push(calls.tally().own);
    answerMs.push(elapsedMs);
    ownMs.push(elapsedMs - openCalls.ms());
    pageBytes = body.length;
  }
  return {
    size,
    callCount: Math.max(...counts),
    answerMsP50: percentile(answerMs, 50),
    ownMsP50: percentile(ownMs, 50),
    ownMsMost: Math.max(...ownMs),
    pageBytes,
  };
}
