// The power fails at each step of taking and handing on mail, on a disk that keeps only what was synced. Whatever got
// its 250 must reach the bridge, whole and once.
import { describe, expect, test } from '@jest/globals';
import { HandOn } from '../../intake/handOn.ts';
import { IntakeLog } from '../../intake/intakeEvents.ts';
import type { Bridge } from '../../intake/bridge/bridge.ts';
import { Receiver, type Reply } from '../../intake/smtp/receiver.ts';
import { Spool } from '../../intake/spool/spool.ts';
import type { Random } from '../../shared/clock.ts';
import { Crashed, ForgetfulFiles, type ForgetfulOptions, type Survival } from './support/forgetfulFiles.ts';
import { fastClock } from './support/startedIntake.ts';
import { mail } from './support/smtpDialog.ts';

const clock = fastClock(1_000);
const served = {
  mailboxes: [{ address: 'desk@example.com', aliases: [] }],
  messageMostBytes: 1_000_000,
  recipientsMostCount: 500,
};
const log = new IntakeLog(() => undefined);

/** Pseudo-random numbers from a seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What the bridge has, by id. It remembers, as the real one does. */
class Accepted {
  readonly contents = new Map<string, string>();
  repeatCount = 0;

  /** Crashes between the bridge's acceptance and the intake's learning of it if `loses` says so. */
  bridge(loses: () => boolean): Bridge {
    return {
      submit: async ({ id, message }) => {
        const chunks: Buffer[] = [];
        for await (const chunk of message.bytes()) chunks.push(chunk);
        const content = Buffer.concat(chunks).toString('latin1');
        const known = this.contents.get(id);
        if (known === undefined) this.contents.set(id, content);
        else {
          this.repeatCount += 1;
          expect(content).toBe(known);
        }
        if (loses()) throw new Crashed('The process died here');
        return { kind: 'accepted' };
      },
      reportFailure: () => Promise.resolve({ kind: 'taken', detail: '' }),
      mailboxes: () => Promise.reject(new Error('not asked here')),
      beat: () => Promise.resolve(),
    };
  }
}

interface Process {
  readonly spool: Spool;
  readonly receiver: Receiver;
  readonly handOn: HandOn;
}

async function startProcess(files: ForgetfulFiles, bridge: Bridge, random: Random): Promise<Process> {
  const spool = new Spool(files, { folder: '/spool', freeMinimumBytes: 0 }, { clock, random });
  const handOn = new HandOn({ spool, bridge, clock, random, log });
  for (const entry of await spool.recover()) handOn.add(entry);
  const receiver = new Receiver({
    spool,
    clock,
    log,
    rules: { unknownFrom: { kind: 'refuse' }, marking: [] },
    served: () => served,
    added: (entry) => {
      handOn.add(entry);
    },
    fatal: () => {
      files.crash();
    },
  });
  return { spool, receiver, handOn };
}

async function* chunked(text: string, size: number): AsyncIterable<Buffer> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  await Promise.resolve();
}

const messageCount = 4;

/** The mail of one number. Each try of the client has a Message-ID of its own, as JavaMail's have. */
const numbered = (number: number, tries: number): string =>
  mail(
    { Subject: `INC-${number}`, 'Message-ID': `<${number}.${tries}@esm>` },
    `Body ${number} ${'x'.repeat(500)}\r\n`,
  );

/**
 * Sends all messages with one crash; the client sends again what got no 250. Returns how many operations the first
 * process did.
 */
async function play(options: ForgetfulOptions, survival: Survival, seed: number): Promise<number> {
  const next = seeded(seed);
  const random: Random = { uniform: next, id: () => next().toString(16).slice(2).padEnd(32, '0') };
  const accepted = new Accepted();
  const envelope = { mailFrom: 'desk@example.com', recipients: ['citizen@example.org'] };
  let files = new ForgetfulFiles(options);
  const first = files;
  const tries = new Map<number, number>();
  const answered = new Set<number>();
  for (let life = 0; life < 3 && answered.size < messageCount; life += 1) {
    // In the middle of a life the bridge's answer is lost now and then.
    const bridge = accepted.bridge(() => life === 0 && next() < 0.1 && crashNow(files));
    let process: Process | undefined;
    try {
      process = await startProcess(files, bridge, random);
      const { receiver, handOn } = process;
      const running = handOn.run();
      for (let number = 0; number < messageCount; number += 1) {
        if (answered.has(number)) continue;
        const count = (tries.get(number) ?? 0) + 1;
        tries.set(number, count);
        const reply: Reply = await receiver.receive(
          chunked(numbered(number, count), 200),
          envelope,
          'client',
        );
        if (reply.kind === 'taken') {
          answered.add(number);
          reply.answer.answered = true;
        }
        await clock.sleep(next() * 2_000);
      }
      handOn.stop();
      await running;
    } catch (error) {
      if (!(error instanceof Crashed)) throw error;
    }
    process?.handOn.stop();
    files.crash();
    files = files.afterCrash(survival, next);
  }
  expect([...answered].sort()).toEqual([0, 1, 2, 3]);
  // The last process finds everything that is left.
  const { spool, handOn } = await startProcess(
    files,
    accepted.bridge(() => false),
    random,
  );
  const running = handOn.run();
  for (let waits = 0; spool.count > 0 && waits < 10_000; waits += 1) await clock.sleep(1_000);
  handOn.stop();
  await running;
  expect(spool.count).toBe(0);
  expect(spool.damagedCount).toBe(0);
  const numbers = [...accepted.contents.values()].map((content) => /Subject: INC-(\d)/.exec(content)?.[1]);
  expect(numbers.toSorted()).toEqual(['0', '1', '2', '3']);
  for (const content of accepted.contents.values()) {
    expect(content).toMatch(/\r\n\r\nBody \d x{500}\r\n$/);
  }
  return first.operationCount;
}

function crashNow(files: ForgetfulFiles): true {
  files.crash();
  return true;
}

describe.each<[string, boolean]>([
  ['where folders can be synced', false],
  ['on Windows, where they can not', true],
])('a crash %s', (_, windows) => {
  test.each<Survival>(['nothing', 'everything', 'mixed', 'zeros'])(
    'at each step, %s of the unsynced survives: nothing is lost, nothing is there twice',
    async (survival) => {
      const operations = await play({ windows }, survival, 1);
      expect(operations).toBeGreaterThan(60);
      for (let crashAt = 1; crashAt <= operations; crashAt += 1)
        await play({ windows, crashAt }, survival, crashAt);
      if (survival === 'mixed') {
        for (let seed = 1_000; seed < 1_200; seed += 1) {
          await play({ windows, crashAt: 1 + (seed % operations) }, survival, seed);
        }
      }
    },
  );
});
