// A stack for one part of the bench: Azurite with its queues in a process of their own, the emulators, the package in a
// real host behind a proxy that counts storage calls, and a client that receives ESM's queues.
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../shared/clock.ts';
import { EsmQueueClient } from '../stack/esmQueueClient.ts';
import type { MessageRecord } from '../emulators/exchange/serverLog.ts';
import type { HostProcess } from '../functionsHost/hostProcess.ts';
import { startStack, type Stack, type StackOptions } from '../stack/stack.ts';
import { startStorageProxy } from '../storageProxy/storageProxy.ts';
import { CallCount, OpenCalls } from './callCount.ts';

export interface Part {
  /** The package, built once for all parts. */
  readonly appFolder: string;
  /** Reports progress. */
  readonly log: (detail: string) => void;
}

export interface Rig {
  readonly stack: Stack;
  readonly host: HostProcess;
  readonly esm: EsmQueueClient;
  readonly calls: CallCount;
  readonly openCalls: OpenCalls;
  close(): Promise<void>;
}

export const domain = 'bench.example';

/** A mailbox that only sends; the app signs in to it by itself. */
export function sender(
  name: string,
  limits?: Readonly<Record<string, number>>,
): StackOptions['mailboxes'][number] {
  const address = `${name}@${domain}`;
  return { address, signIn: 'application', receive: false, ...(limits === undefined ? {} : { limits }) };
}

export async function startRig(
  part: Part,
  options: Pick<StackOptions, 'mailboxes' | 'numbers' | 'exchange' | 'settings'>,
): Promise<Rig> {
  const stack = await startStack({ clock: systemClock, separateQueues: true, ...options });
  const closers: (() => Promise<void>)[] = [() => stack.close()];
  const close = async (): Promise<void> => {
    // A failure to close one must not keep the others open.
    for (const end of closers.splice(0).reverse())
      await end().catch((error: unknown) => {
        part.log(`failed to close: ${error instanceof Error ? error.message : String(error)}`);
      });
  };
  try {
    const calls = new CallCount();
    const openCalls = new OpenCalls();
    const proxy = await startStorageProxy({
      ports: stack.azurite.ports,
      before: () => {
        openCalls.began();
        return 'forward';
      },
      after: (call, answer) => {
        openCalls.ended();
        calls.note(call, answer);
        return 'pass';
      },
    });
    closers.push(() => proxy.close());
    const host = await stack.startHost({
      appFolder: part.appFolder,
      settings: { MailStore: proxy.connectionString, AzureWebJobsStorage: proxy.connectionString },
      onLine: ({ level, message }) => {
        if (level === 'error') part.log(`host: ${String(message).slice(0, 300)}`);
      },
    });
    closers.push(() => host.stop());
    const esm = new EsmQueueClient(stack.store);
    esm.listen();
    closers.push(() => esm.stop());
    return { stack, host, esm, calls, openCalls, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A minimal submission. */
export function submission(
  name: string,
  id: string,
  more: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  return {
    version: 1,
    id,
    mailbox: `${name}@${domain}`,
    to: [`desk@${domain}`],
    subject: `Message ${id}`,
    text: 'A few words.',
    ...more,
  };
}

export const idOf = (name: string, number: number): string => `${name}-${String(number).padStart(5, '0')}`;

const putTries = 5;

/** Submits one; retries if a busy emulator did not respond in time, which the idempotency key makes safe. */
export async function put(esm: EsmQueueClient, one: Readonly<Record<string, unknown>>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await esm.submit(one);
      return;
    } catch (error) {
      if (tries === putTries) throw error;
      await pause(1_000);
    }
  }
}

/** The emulator scans the queue at every poll, so a deep queue would measure the emulator. */
const mostAhead = 500;

/** Submits `from` to `to`, some at a time, and at most `mostAhead` ahead of their acceptance. */
export async function submitMany(
  esm: EsmQueueClient,
  name: string,
  { from, to, more }: { from: number; to: number; more?: Readonly<Record<string, unknown>> },
): Promise<void> {
  const atOnce = 16;
  for (let first = from; first <= to; first += atOnce) {
    await until(
      'submissions are accepted',
      600_000,
      () => first - from - eventCount(esm, name, { from, to: first - 1, type: 'mail.accepted' }) < mostAhead,
    );
    const some = Array.from({ length: Math.min(atOnce, to - first + 1) }, (_, at) => first + at);
    await Promise.all(some.map((number) => put(esm, submission(name, idOf(name, number), more))));
  }
}

/** How many of them have an event of that type. */
export function eventCount(
  esm: EsmQueueClient,
  name: string,
  { from, to, type }: { from: number; to: number; type: string },
): number {
  let count = 0;
  for (let number = from; number <= to; number += 1) {
    if (esm.eventsOf(idOf(name, number)).some((event) => event.type === type)) count += 1;
  }
  return count;
}

export function arrivalsOf({ exchange }: Stack, name: string): readonly MessageRecord[] {
  const account = `${name}@${domain}`;
  return exchange.log.messages.filter((message) => message.account === account);
}

/** Polls until the condition holds; throws after `limitMs`. */
export async function until(
  what: string,
  limitMs: number,
  isSo: () => boolean | Promise<boolean>,
  everyMs = 250,
): Promise<void> {
  const end = performance.now() + limitMs;
  while (!(await isSo())) {
    if (performance.now() > end)
      throw new Error(`${what}: not within ${String(Math.round(limitMs / 1_000))} s`);
    await pause(everyMs);
  }
}
