// Maintenance of a mailbox or of the installation until a time: the alerts leave it out meanwhile. It is a row in the table
// `ops`; each sweep says it again in the log (`ops.maintenance`), which is what the alerts' queries read.
import { z } from 'zod';
import type { Clock } from '../clock.ts';
import type { Account, Mailbox } from '../mail/mailbox.ts';
import type { Rows } from '../outbound/ports.ts';
import { StorageTrouble } from '../storageErrors.ts';
import { putRow } from './putRow.ts';

/** The name of the whole installation, which no mailbox can have. */
export const installation = 'installation';
/** A day: longer is no maintenance, but a fault that nobody looks at. */
export const maintenanceMostMs = 24 * 3_600_000;

export interface MaintenancePeriod {
  /** `installation`, or a mailbox's address in lower case. */
  readonly name: string;
  /** UTC ms. In the past for one that has ended. */
  readonly until: number;
  readonly by: string;
  readonly reason: string;
}

const partition = 'maintenance';
const columns = z.object({ name: z.string(), until: z.number(), by: z.string(), reason: z.string() });
/** For so long the log says that it has ended, so that the newest line is not one of before. */
const endedMs = 3_600_000;
const periodsMost = 1_000;

/** Every method throws StorageTrouble. */
export class Maintenance {
  readonly #rows: Rows;
  readonly #clock: Pick<Clock, 'now'>;

  constructor(rows: Rows, clock: Pick<Clock, 'now'>) {
    this.#rows = rows;
    this.#clock = clock;
  }

  /** Begins one, changes its end, or ends it (`until` now). */
  async set(period: MaintenancePeriod): Promise<void> {
    const key = encodeURIComponent(period.name).replaceAll('%', '=');
    const answer = await putRow(this.#rows, partition, { kind: 'replace', key, fields: { ...period } });
    if (answer.kind === 'unknown')
      throw new StorageTrouble(`the maintenance could not be written: ${answer.detail}`);
  }

  /** Those under way, and those that ended within the last hour. */
  async list(): Promise<readonly MaintenancePeriod[]> {
    const rows = await this.#rows.query(partition, { from: '', to: '~', limit: periodsMost });
    return rows.flatMap(({ fields }) => {
      const read = columns.safeParse(fields);
      return read.success && read.data.until > this.#clock.now() - endedMs ? [read.data] : [];
    });
  }
}

/** What the alerts leave out until a time (UTC ms): the installation, a mailbox by its address, an account by its key. */
export interface Quiet {
  readonly kind: 'installation' | 'mailbox' | 'account';
  readonly name: string;
  readonly until: number;
}

/** An account is left out if each of its mailboxes is, until the first of them ends. */
export function quietOf(
  periods: readonly MaintenancePeriod[],
  { mailboxes, accounts }: { readonly mailboxes: readonly Mailbox[]; readonly accounts: readonly Account[] },
): readonly Quiet[] {
  const whole = periods.find(({ name }) => name === installation)?.until;
  const untilOf = ({ address }: Mailbox): number | undefined => {
    const own = periods.find(({ name }) => name === address.toLowerCase())?.until;
    return own === undefined ? whole : Math.max(own, whole ?? own);
  };
  const quiet: Quiet[] =
    whole === undefined ? [] : [{ kind: 'installation', name: installation, until: whole }];
  for (const mailbox of mailboxes) {
    const until = untilOf(mailbox);
    if (until !== undefined) quiet.push({ kind: 'mailbox', name: mailbox.address, until });
  }
  for (const { key, mailboxes: own } of accounts) {
    const untils = own.map(untilOf).filter((until) => until !== undefined);
    if (untils.length === own.length && own.length > 0)
      quiet.push({ kind: 'account', name: key, until: Math.min(...untils) });
  }
  return quiet;
}
