// The submissions of a run, the faults of the server meanwhile, and the permitted ends of each submission.
import { createHash } from 'node:crypto';
import type { Exchange } from '../emulators/exchange/exchange.ts';
import { containerNames } from '../../shared/storage/names.ts';
import { crashNumbers } from './numbers.ts';
import type { ScenarioName } from './points.ts';

/** How a submission may end. `doubt`: reported as in doubt, then held for a person, and accepted at most once. */
export type End = 'sent' | 'failed' | 'rejected' | 'doubt';

export interface Planned {
  readonly id: string;
  readonly submission: unknown;
  readonly ends: readonly End[];
}

export interface Scenario {
  /** Blobs that submissions refer to, by name. */
  readonly uploads: Readonly<Record<string, string>>;
  readonly planned: readonly Planned[];
  /** Configures the server for the scenario; the answer restores it. */
  prepare(exchange: Exchange): () => void;
}

const domain = 'crash.example';

export const address = (name: string): string => `${name}@${domain}`;

/** A content of this length is stored in a blob. */
const tooLongForARow = (run: string, mailbox: string): string =>
  `The whole report of ${run} for ${mailbox}.\r\n`.padEnd(
    2 * crashNumbers.contentInRowBytes,
    'And so on.\r\n',
  );

/** `run` makes the ids unlike those of any other run. */
export function scenarioOf(name: ScenarioName, mailbox: string, run: string): Scenario {
  // The run's name may be longer than a local part (64, RFC 5321 4.5.3.1.1).
  const tag = createHash('sha256').update(run).digest('hex').slice(0, 16);
  const gone = address(`gone.${tag}`);
  const later = address(`later.${tag}`);
  const submit = (
    number: number,
    ends: readonly End[],
    more: Readonly<Record<string, unknown>> = {},
  ): Planned => {
    const id = `${run}.m${String(number)}`;
    const plain = { version: 1, id, mailbox, to: [address('desk')], subject: id, text: 'A few words.' };
    return { id, submission: { ...plain, ...more }, ends };
  };
  // A kill between the final dot and the reply always leaves a doubt.
  const usual = [1, 2, 3].map((number) => submit(number, ['sent', 'doubt']));
  const noop = (): void => undefined;
  const report = `${run}.txt`;
  const attached = {
    filename: 'report.txt',
    contentType: 'text/plain',
    blob: `${containerNames.outboundUploads}/${report}`,
  };
  switch (name) {
    case 'usual':
      return {
        uploads: { [report]: `The report of ${run} for ${mailbox}.` },
        planned: [...usual, submit(4, ['sent', 'doubt'], { attachments: [attached] })],
        prepare: () => noop,
      };
    case 'large':
      return {
        uploads: {},
        planned: [submit(1, ['sent', 'doubt'], { text: tooLongForARow(run, mailbox) })],
        prepare: () => noop,
      };
    case 'partlyRefused': {
      return {
        uploads: {},
        planned: [submit(1, ['sent', 'doubt'], { to: [address('desk'), gone, later] })],
        prepare: (exchange) => {
          exchange.recipient(gone, { kind: 'refuse' });
          // Twice: an attempt on a busy machine may end before its refusals are written down.
          exchange.recipient(later, { kind: 'defer', times: 2 });
          return noop;
        },
      };
    }
    case 'deferred':
      return {
        uploads: {},
        planned: [submit(1, ['sent', 'doubt'], { to: [later] })],
        prepare: (exchange) => {
          exchange.recipient(later, { kind: 'defer', times: 1 });
          return noop;
        },
      };
    case 'refused':
      return {
        uploads: {},
        planned: [submit(1, ['failed', 'doubt'], { to: [gone] })],
        prepare: (exchange) => {
          exchange.recipient(gone, { kind: 'refuse' });
          return noop;
        },
      };
    case 'malformed':
      return {
        uploads: {},
        planned: [submit(1, ['rejected'], { to: [] })],
        prepare: () => noop,
      };
    case 'doubtFound':
    case 'doubtAbsent':
      return {
        uploads: {},
        planned: [submit(1, name === 'doubtFound' ? ['sent'] : ['doubt'])],
        prepare: (exchange) => {
          const before = exchange.smtp.sentItems;
          if (name === 'doubtAbsent') exchange.smtp.sentItems = { ...before, mailbox: 'none' };
          const rule = exchange.injectFault({
            protocol: 'smtp',
            at: 'reply',
            account: mailbox,
            times: 1,
            does: { kind: 'cut' },
          });
          return () => {
            rule.end();
            exchange.smtp.sentItems = before;
          };
        },
      };
  }
}
