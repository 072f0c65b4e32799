// Failure reports: one for each message that came by SMTP and failed, in the mailbox's folder, whatever is lost on the way.
import { describe, expect, test } from '@jest/globals';
import { bufferOf } from '../../shared/mail/foreign.ts';
import type { Mailbox } from '../../shared/mail/mailbox.ts';
import type { Filing } from '../../shared/outbound/ports.ts';
import { noteHeldMessages } from '../../shared/outbound/upkeep/noteHeldMessages.ts';
import { isOwnReport, sendReports, type ReportRun } from '../../shared/outbound/upkeep/sendReports.ts';
import { mailbox, World, type Host } from '../models/world.ts';

/** A folder per mailbox, with answers that can be lost. */
class MemoryFiling implements Filing {
  readonly filed: {
    readonly mailbox: string;
    readonly folder: string;
    readonly text: string;
    readonly id: string;
  }[] = [];
  readonly asked: boolean[] = [];
  /** What becomes of the next calls; afterwards all goes well. */
  plan: ('refuse' | 'loseAnswer')[] = [];

  file(
    { address }: Mailbox,
    { folder, bytes, messageId, mayBeThere }: Parameters<Filing['file']>[1],
  ): ReturnType<Filing['file']> {
    this.asked.push(mayBeThere);
    const fate = this.plan.shift();
    if (fate === 'refuse') return Promise.resolve({ kind: 'failed', detail: 'NO APPEND failed.' });
    if (mayBeThere && this.filed.some(({ id }) => id === messageId))
      return Promise.resolve({ kind: 'there' });
    this.filed.push({ mailbox: address, folder, text: bufferOf(bytes).toString('latin1'), id: messageId });
    return Promise.resolve(
      fate === 'loseAnswer' ? { kind: 'failed', detail: 'The time budget was used up.' } : { kind: 'filed' },
    );
  }
}

const refused = { code: 550, enhanced: '5.1.1', text: 'No such user' };

interface Rig {
  readonly world: World;
  readonly host: Host;
  readonly filing: MemoryFiling;
  /** Submits as the intake does. */
  readonly submit: (id: string, change?: Readonly<Record<string, unknown>>) => Promise<void>;
  readonly run: () => Promise<ReportRun>;
}

function rig(change: Partial<Mailbox> = {}): Rig {
  const world = new World([mailbox('desk@example.com', change)]);
  const host = world.host();
  const filing = new MemoryFiling();
  return {
    world,
    host,
    filing,
    submit: async (id, more = {}) => {
      const handover = { caller: 'intake', reportsFailures: true };
      await world.run(host.outbound.acceptOrRefuse(world.submission(id, more), handover));
      await world.answerWakeUps(host);
    },
    run: () => world.run(sendReports({ ...host.dependencies, filing })),
  };
}

test('a message that is refused: one report with its subject, ours and nobody’s bounce', async () => {
  const { world, host, filing, submit, run } = rig();
  world.server.dialogPlan = () => ({ rcpt: () => refused });
  await submit('a', { subject: 'Re: [INC-42] Printer' });
  expect(await world.state(host, 'a')).toBe('failed');
  expect(await run()).toEqual({ filedCount: 1, failedCount: 0 });
  expect(await run()).toEqual({ filedCount: 0, failedCount: 0 });
  const [report] = filing.filed;
  expect(report).toMatchObject({ mailbox: 'desk@example.com', folder: 'INBOX' });
  const text = report?.text ?? '';
  expect(text).toContain('\r\nSubject: Re: [INC-42] Printer\r\n');
  expect(text).toContain('\r\nAuto-Submitted: auto-replied\r\n');
  expect(text).toContain('\r\nContent-Type: text/plain; charset=us-ascii\r\n');
  expect(text).toMatch(/\r\nIn-Reply-To: <[^>]+@example.com>\r\n/);
  expect(text).toContain('a@example.org');
  expect(text).not.toMatch(/[^\r]\n/);
  expect(text.split('\r\n').every((line) => line.length <= 200)).toBe(true);
  expect(await isOwnReport(report?.id ?? '', host.dependencies)).toBe(true);
  expect(
    await isOwnReport('<report.00112233445566778899aabbccddeeff.00@bridge.invalid>', host.dependencies),
  ).toBe(false);
});

test('what came without the wish for reports has none, nor what was sent', async () => {
  const { world, host, filing, submit, run } = rig();
  await submit('well');
  world.server.dialogPlan = () => ({ rcpt: () => refused });
  await world.submit(host, 'queue');
  await world.answerWakeUps(host);
  await run();
  expect(filing.filed).toEqual([]);
});

test('a recipient refused among good ones is reported, the good ones are not named', async () => {
  const { world, filing, submit, run } = rig();
  world.server.dialogPlan = () => ({ rcpt: (address) => (address.startsWith('bad') ? refused : undefined) });
  await submit('a', { to: ['good@example.org', 'bad@example.org'] });
  await run();
  expect(filing.filed).toHaveLength(1);
  expect(filing.filed[0]?.text).toContain('did not reach all of its recipients');
  expect(filing.filed[0]?.text).toContain('bad@example.org');
  expect(filing.filed[0]?.text).not.toContain('good@example.org');
});

describe('once', () => {
  test('the answer to APPEND is lost: the next try looks for it and files nothing', async () => {
    const { world, filing, submit, run } = rig();
    world.server.dialogPlan = () => ({ rcpt: () => refused });
    await submit('a');
    filing.plan = ['loseAnswer'];
    expect(await run()).toEqual({ filedCount: 0, failedCount: 1 });
    expect(await run()).toEqual({ filedCount: 0, failedCount: 0 });
    await world.pass(10 * 60_000);
    expect(await run()).toEqual({ filedCount: 1, failedCount: 0 });
    expect(filing.asked).toEqual([false, true]);
    expect(filing.filed).toHaveLength(1);
  });

  test('the process dies between APPEND and its record: the same', async () => {
    const { world, host, filing, submit, run } = rig();
    world.server.dialogPlan = () => ({ rcpt: () => refused });
    await submit('a');
    const dies: Filing = {
      file: async (address, message) => {
        await filing.file(address, message);
        throw new Error('The process ended here.');
      },
    };
    await world.run(sendReports({ ...host.dependencies, filing: dies }));
    await world.pass(10 * 60_000);
    await run();
    expect(filing.filed).toHaveLength(1);
  });

  test('its event is published twice: one report', async () => {
    const { world, host, filing, submit, run } = rig();
    world.server.dialogPlan = () => ({ rcpt: () => refused });
    await submit('a');
    const said = JSON.stringify({ type: 'mail.failed', recipients: [], moreCount: 0 });
    const again = {
      account: world.account,
      id: 'a',
      kind: 'message',
      mailbox: 'desk@example.com',
      at: 0,
      said,
    } as const;
    await world.run(host.outbound.noteFailure(again));
    await run();
    await world.run(host.outbound.noteFailure(again));
    await run();
    expect(filing.filed).toHaveLength(1);
  });

  test('the mailbox refuses for long: tried again with growing delays, given up after a week', async () => {
    const { world, filing, submit, run } = rig();
    world.server.dialogPlan = () => ({ rcpt: () => refused });
    await submit('a');
    filing.plan = Array.from({ length: 1_000 }, () => 'refuse' as const);
    for (let hour = 0; hour < 24 * 9; hour += 1) {
      await run();
      await world.pass(3_660_000);
    }
    expect(filing.asked.length).toBeGreaterThan(150);
    expect(filing.asked.length).toBeLessThan(180);
    expect(
      world.log.filter(({ name, fields }) => name === 'outbound.reportFailed' && fields['isLast'] === true),
    ).toHaveLength(1);
  });
});

describe('held', () => {
  test('held for an hour: reported, and not before', async () => {
    const { world, host, filing, run } = rig();
    // Its mailbox is taken out of the settings; another one still sends with the account.
    world.mailboxes = [mailbox('hr@example.com', { smtpUser: 'desk@example.com' })];
    const without = world.host();
    await world.run(
      host.outbound.acceptOrRefuse(world.submission('b'), { caller: 'intake', reportsFailures: true }),
    );
    await world.run(without.outbound.drain(world.account, 'invocation'));
    expect(await world.state(host, 'b')).toBe('held');
    await run();
    expect(filing.filed).toEqual([]);
    await world.pass(61 * 60_000);
    await run();
    expect(filing.filed).toHaveLength(1);
    expect(filing.filed[0]?.text).toContain('held for an hour');
  });

  test('its mailbox has been on hold for an hour: reported once, with the reason of the hold', async () => {
    const { world, host, filing, submit, run } = rig();
    await world.run(host.outbound.pause({ account: world.account, by: 'Anna' }));
    await submit('a');
    await world.submit(host, 'queue');
    const lookedAt = new Set<string>();
    for (let minute = 0; minute < 90; minute += 10) {
      await world.run(host.outbound.sweep());
      await world.run(noteHeldMessages(lookedAt, host.dependencies));
      await run();
      expect(filing.filed).toHaveLength(minute >= 60 ? 1 : 0);
      await world.pass(10 * 60_000);
    }
    expect(filing.filed[0]?.text).toContain('Reason: Paused by Anna.');
    await world.run(noteHeldMessages(new Set(), host.dependencies));
    await run();
    expect(filing.filed).toHaveLength(1);
  });

  test('an account without such a hold costs no call: each was read once more every minute', async () => {
    const { world, host, submit } = rig();
    await submit('a');
    await world.run(host.outbound.pause({ account: world.account, by: 'Anna' }));
    await world.run(host.outbound.sweep());
    host.wire.calls = [];
    await world.run(noteHeldMessages(new Set(), host.dependencies));
    expect(host.wire.calls.map(({ partition }) => partition)).not.toContain(world.account);
  });

  test('in safe mode on purpose: not reported', async () => {
    const { world, host, filing, submit, run } = rig({ deliver: 'hold' });
    await submit('a');
    expect(await world.state(host, 'a')).toBe('held');
    await world.pass(120 * 60_000);
    await run();
    expect(filing.filed).toEqual([]);
  });
});

describe('settings', () => {
  test('off', async () => {
    const { world, filing, submit, run } = rig({ failureReports: 'off' });
    world.server.dialogPlan = () => ({ rcpt: () => refused });
    await submit('a');
    await run();
    expect(filing.asked).toEqual([]);
  });

  test('another folder, and no header that a desk may park it for', async () => {
    const { world, filing, submit, run } = rig({
      failureReports: { folder: 'Failures', autoSubmitted: false },
    });
    world.server.dialogPlan = () => ({ rcpt: () => refused });
    await submit('a');
    await run();
    expect(filing.filed[0]).toMatchObject({ folder: 'Failures' });
    expect(filing.filed[0]?.text).not.toContain('Auto-Submitted');
  });
});

test('mail to the sender of reports is not reported: an answer to one would bring the next', async () => {
  const { world, filing, submit, run } = rig();
  world.server.dialogPlan = () => ({ rcpt: () => refused });
  await submit('a', { to: ['mail-bridge@bridge.invalid'] });
  await run();
  expect(filing.filed).toEqual([]);
});

test('what the intake could not hand on has no message here: reported from its header', async () => {
  const { world, host, filing, run } = rig();
  const said = JSON.stringify({
    type: 'intake',
    recipients: [{ address: 'user@localhost', detail: 'The domain has no dot. Ä' }],
    moreCount: 0,
    header: 'subject: =?utf-8?Q?T=C3=A4st?= [INC-42]\r\nmessage-id: <1@esm.example>\r\n\r\n',
  });
  await world.run(
    host.outbound.noteFailure({
      account: world.account,
      id: 'smtp-1',
      kind: 'recipients',
      mailbox: 'desk@example.com',
      at: 0,
      said,
    }),
  );
  await run();
  expect(filing.filed[0]?.text).toContain('Subject: =?utf-8?Q?T=C3=A4st?= [INC-42]\r\n');
  expect(filing.filed[0]?.text).toContain('In-Reply-To: <1@esm.example>\r\n');
  expect(filing.filed[0]?.text).toContain('The domain has no dot. ?');
});

test('many at once: a run files a bounded number, and the next ones the rest', async () => {
  const { world, host, filing, run } = rig();
  const said = JSON.stringify({ type: 'intake', recipients: [], moreCount: 0, header: 'subject: x\r\n\r\n' });
  for (let number = 0; number < 120; number += 1)
    await world.run(
      host.outbound.noteFailure({
        account: world.account,
        id: `m${number}`,
        kind: 'message',
        mailbox: 'desk@example.com',
        at: 0,
        said,
      }),
    );
  for (const filed of [50, 100, 120]) {
    await run();
    expect(filing.filed).toHaveLength(filed);
  }
});
