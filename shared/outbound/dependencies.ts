// What the outbound side is handed when it is assembled: every port, every number, nothing ambient.
import type { Clock, Random } from '../clock.ts';
import type { StorageTime } from '../limits/storageTime.ts';
import type { Account } from '../mail/mailbox.ts';
import type { Log } from '../telemetry/log.ts';
import type { OutboundNumbers } from './numbers.ts';
import type {
  Composer,
  Contents,
  ExportStore,
  Queues,
  RawMessages,
  Relay,
  Rows,
  SentItems,
  TagKey,
} from './ports.ts';
import type { SubmissionContext } from '../contract/submission.ts';

export interface Dependencies {
  readonly rows: Rows;
  readonly contents: Contents;
  readonly queues: Queues;
  readonly relay: Relay;
  readonly sentItems: SentItems;
  readonly composer: Composer;
  readonly rawMessages: RawMessages;
  /** Fed by the storage adapters (it is their TimeWitness); one per process. */
  readonly time: StorageTime;
  readonly clock: Clock;
  readonly random: Random;
  readonly numbers: OutboundNumbers;
  readonly accounts: readonly Account[];
  readonly submissions: SubmissionContext;
  readonly tagKey: TagKey;
  readonly log: Log;
  /** Absent: there is no account to export to, and nothing is exported. */
  readonly exports?: ExportStore;
}
