// A disk that is full, or fails.
import { expect, test } from '@jest/globals';
import { IntakeLog } from '../../intake/intakeEvents.ts';
import { Receiver, type Reply } from '../../intake/smtp/receiver.ts';
import { Spool } from '../../intake/spool/spool.ts';
import { systemRandom } from '../../shared/clock.ts';
import { ForgetfulFiles, type ForgetfulOptions } from './support/forgetfulFiles.ts';
import { mail } from './support/smtpDialog.ts';
import { fastClock } from './support/startedIntake.ts';

const served = {
  mailboxes: [{ address: 'desk@example.com', aliases: [] }],
  messageMostBytes: 1_000_000,
  recipientsMostCount: 500,
};

async function setUp(
  options: ForgetfulOptions,
  freeMinimumBytes = 0,
): Promise<{
  readonly files: ForgetfulFiles;
  readonly spool: Spool;
  readonly receiver: Receiver;
  readonly fatal: Error[];
  readonly send: (content: string) => Promise<Reply>;
}> {
  const clock = fastClock(100);
  const files = new ForgetfulFiles(options);
  const spool = new Spool(files, { folder: '/spool', freeMinimumBytes }, { clock, random: systemRandom });
  await spool.recover();
  const fatal: Error[] = [];
  const receiver = new Receiver({
    spool,
    clock,
    log: new IntakeLog(() => undefined),
    rules: { unknownFrom: { kind: 'refuse' }, marking: [] },
    served: () => served,
    added: () => undefined,
    fatal: (error) => fatal.push(error),
  });
  const envelope = { mailFrom: 'desk@example.com', recipients: ['citizen@example.org'] };
  return {
    files,
    spool,
    receiver,
    fatal,
    send: (content) =>
      receiver.receive(
        (async function* () {
          yield Buffer.from(content);
          await Promise.resolve();
        })(),
        envelope,
        'client',
      ),
  };
}

test('a write that is cut short at any byte gets 452, never 250, and leaves nothing behind', async () => {
  const content = mail({}, 'x'.repeat(300));
  const whole = await setUp({});
  expect((await whole.send(content)).kind).toBe('taken');
  let taken = 0;
  for (let capacityBytes = 1; capacityBytes < 4_000; capacityBytes += 13) {
    const { files, send, spool } = await setUp({ capacityBytes });
    const reply = await send(content);
    if (reply.kind === 'taken') taken += 1;
    else {
      expect(reply).toMatchObject({ code: 452, text: expect.stringContaining('4.3.1') });
      expect(await files.list('/spool/waiting')).toEqual([]);
      expect(spool.count).toBe(0);
    }
  }
  expect(taken).toBeGreaterThan(10);
});

test('too little free space is said at MAIL, with the size that the client gives', async () => {
  const { receiver } = await setUp({ capacityBytes: 10_000 }, 4_000);
  expect(await receiver.readiness(0)).toBeUndefined();
  expect(await receiver.readiness(5_999)).toBeUndefined();
  expect(await receiver.readiness(6_001)).toMatchObject({ code: 452 });
});

test('an fsync that fails gets 451 and ends the process; the next one does not know the message', async () => {
  const { files, send, fatal } = await setUp({ failSyncAt: 1 });
  expect(await send(mail())).toMatchObject({ kind: 'refused', code: 451 });
  expect(fatal).toHaveLength(1);
  const next = new Spool(
    files,
    { folder: '/spool', freeMinimumBytes: 0 },
    { clock: fastClock(1), random: systemRandom },
  );
  expect(await next.recover()).toEqual([]);
});

test('a file that was changed on the disk is set aside, not handed on', async () => {
  const { files, send } = await setUp({});
  await send(mail());
  const [name = ''] = await files.list('/spool/waiting');
  const path = `/spool/waiting/${name}`;
  const file = await files.open(path);
  const bytes = await file.read(0, file.sizeBytes);
  bytes[10] = (bytes[10] ?? 0) ^ 1;
  await files.remove(path);
  const changed = await files.create(path);
  await changed.write(bytes);
  const next = new Spool(
    files,
    { folder: '/spool', freeMinimumBytes: 0 },
    { clock: fastClock(1), random: systemRandom },
  );
  const [entry] = await next.recover();
  expect(entry === undefined ? 'none' : await next.open(entry)).toBeUndefined();
  expect(next.count).toBe(0);
  expect(next.damagedCount).toBe(1);
  expect(await files.list('/spool/damaged')).toEqual([name]);
});
