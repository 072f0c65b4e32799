// The intake's log: one function for each event. A line never holds a password, a token, a subject or content;
// addresses of recipients only where the operator must act on them.
import type { Clock } from '../shared/clock.ts';
import type { Log } from '../shared/telemetry/log.ts';
import type { Level } from '../shared/telemetry/log.ts';
import { logLine } from '../shared/telemetry/logLine.ts';
import type { Entry } from './spool/spool.ts';

type Fields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Writes each event as one line of JSON with its time and level. */
export function lineLog(clock: Clock, write: (line: string) => void): Log {
  return ({ name, level, fields }) => {
    const time = new Date(clock.now()).toISOString();
    write(`${logLine({ name, level, fields: { time, level, ...fields } })}\n`);
  };
}

export class IntakeLog {
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  started(version: string, waitingCount: number): void {
    this.#write('started', 'info', { version, waitingCount, node: process.version });
  }

  listening(address: string, port: number, tls: boolean): void {
    this.#write('listening', 'info', { address, port, tls });
  }

  stopping(reason: string): void {
    this.#write('stopping', 'info', { reason });
  }

  stopped(waitingCount: number): void {
    this.#write('stopped', 'info', { waitingCount });
  }

  failed(detail: string): void {
    this.#write('failed', 'error', { detail });
  }

  received(entry: Entry, recipientsCount: number, client: string): void {
    const { id, mailbox, sizeBytes } = entry;
    this.#write('received', 'info', { id, mailbox, sizeBytes, recipientsCount, client });
  }

  repeated(id: string, client: string): void {
    this.#write('repeated', 'warn', { id, client });
  }

  refused(code: number, text: string, client: string): void {
    this.#write('refused', 'warn', { code, text, client });
  }

  /** A command failed because of the intake itself: the disk, the bridge's list, an error in the program. */
  temporarilyRefused(code: number, text: string, client: string, error?: unknown): void {
    this.#write('temporarilyRefused', 'error', { code, text, client, error: describe(error) });
  }

  broken(client: string, receivedBytes: number): void {
    this.#write('connectionLost', 'info', { client, receivedBytes });
  }

  loginRefused(client: string, method: string, user: string, reason: string): void {
    this.#write('loginRefused', 'warn', { client, method, user, reason });
  }

  clientTrouble(detail: string): void {
    this.#write('clientTrouble', 'info', { detail });
  }

  handedOn(entry: Entry, tries: number, waitingCount: number): void {
    this.#write('handedOn', 'info', { id: entry.id, mailbox: entry.mailbox, tries, waitingCount });
  }

  mended(id: string, remarks: readonly string[]): void {
    this.#write('mended', 'warn', { id, remarks: remarks.join(' ') });
  }

  deferred(entry: Entry, tries: number, delayMs: number, detail: string): void {
    this.#write('deferred', 'warn', { id: entry.id, mailbox: entry.mailbox, tries, delayMs, detail });
  }

  setAside(entry: Entry, tries: number): void {
    this.#write('setAside', 'error', { id: entry.id, mailbox: entry.mailbox, tries });
  }

  waiting(times: number, delayMs: number, detail: string): void {
    this.#write('waitingForBridge', times > 3 ? 'error' : 'warn', { times, delayMs, detail });
  }

  rejected(entry: Entry, status: number, detail: string): void {
    this.#write('rejected', 'error', { id: entry.id, mailbox: entry.mailbox, status, detail });
  }

  reportRefused(id: string, detail: string): void {
    this.#write('reportRefused', 'error', { id, detail });
  }

  damaged(id: string, file: string): void {
    this.#write('damaged', 'error', { id, file });
  }

  spoolTrouble(id: string, error: unknown): void {
    this.#write('spoolTrouble', 'error', { id, error: describe(error) });
  }

  mailboxesRead(count: number): void {
    this.#write('mailboxesRead', 'info', { count });
  }

  bridgeTrouble(what: string, detail: string): void {
    this.#write('bridgeTrouble', 'warn', { what, detail });
  }

  certificateRead(daysLeft: number): void {
    this.#write('certificateRead', daysLeft < 14 ? 'error' : 'info', { daysLeft });
  }

  certificateTrouble(detail: string): void {
    this.#write('certificateTrouble', 'error', { detail });
  }

  #write(name: string, level: Level, fields: Fields): void {
    this.#log({ name: `intake.${name}`, level, fields });
  }
}

/** Type, code and message of an error; never its stack or fields. */
export function describe(error: unknown): string | undefined {
  if (error === undefined) return undefined;
  if (!(error instanceof Error)) return 'something that is no error was thrown';
  const code = 'code' in error && typeof error.code === 'string' ? ` ${error.code}` : '';
  const cause = error.cause === undefined ? '' : ` (${describe(error.cause) ?? ''})`;
  return `${error.name}${code}: ${error.message}${cause}`;
}
