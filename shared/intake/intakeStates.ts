// How each SMTP intake was when it last reported: one row each, rewritten every minute. One that has been silent for
// `forgottenMs` is forgotten; until then its silence is an alert, unless it was drained before it ended.
import type { Clock } from '../clock.ts';
import { numberIn, parseJson, textIn } from '../mail/foreign.ts';
import type { Rows } from '../outbound/ports.ts';
import { StorageTrouble } from '../storageErrors.ts';
import { heartbeat, type Heartbeat } from './heartbeat.ts';

const partition = 'intake';
export const intakesMost = 100;
const forgottenMs = 30 * 86_400_000;
/** How long two processes of one name are reported after the last exchange between them. */
const twinMs = 15 * 60_000;
const textCharacters = 300;

export interface IntakeState {
  readonly name: string;
  /** Whose key it uses. */
  readonly caller: string;
  /** When it last reported (UTC ms, by the app's clock). */
  readonly at: number;
  /** Two processes report under this name in turn. */
  readonly isTwin: boolean;
  readonly said: Heartbeat;
}

/** It took no more mail and had handed on everything when it last reported: its silence is no trouble. */
export const isDrained = ({ said }: IntakeState): boolean => !said.accepting && said.spool.count === 0;

export class IntakeStates {
  readonly #rows: Rows;
  readonly #clock: Pick<Clock, 'now'>;

  constructor(rows: Rows, clock: Pick<Clock, 'now'>) {
    this.#rows = rows;
    this.#clock = clock;
  }

  /** `tooMany`: it is new, and `intakesMost` are known. Throws StorageTrouble. */
  async put(name: string, caller: string, said: Heartbeat): Promise<'stored' | 'tooMany'> {
    const row = await this.#rows.read(partition, name);
    if (row === undefined && (await this.#all()).length >= intakesMost) return 'tooMany';
    const at = this.#clock.now();
    const instance = textIn(row?.fields, 'instance');
    const previous = textIn(row?.fields, 'previous');
    const isNew = instance !== said.instance;
    const fields = {
      at,
      caller,
      instance: said.instance,
      previous: isNew ? instance : previous,
      // A restart brings an instance that was never seen; one that comes back is a second process.
      twinAt: isNew && previous === said.instance ? at : numberIn(row?.fields, 'twinAt'),
      said: JSON.stringify({ ...said, waitingFor: said.waitingFor?.slice(0, textCharacters) }),
    };
    const answer = await this.#rows.commit(partition, [
      row === undefined ? { kind: 'insert', key: name, fields } : { kind: 'replace', key: name, fields },
    ]);
    if (answer.kind === 'unknown') throw new StorageTrouble(`an intake's state: ${answer.detail}`);
    return 'stored';
  }

  /** In the order of their names; what is forgotten is deleted. Throws StorageTrouble. */
  async list(): Promise<readonly IntakeState[]> {
    const now = this.#clock.now();
    const states: IntakeState[] = [];
    for (const { key, fields } of await this.#all()) {
      const at = numberIn(fields, 'at');
      const said = heartbeat.safeParse(parseJson(textIn(fields, 'said')));
      if (at < now - forgottenMs) {
        await this.#rows.commit(partition, [{ kind: 'delete', key }]);
        continue;
      }
      if (!said.success) continue;
      const isTwin = numberIn(fields, 'twinAt') > now - twinMs;
      states.push({ name: key, caller: textIn(fields, 'caller'), at, isTwin, said: said.data });
    }
    return states;
  }

  #all(): ReturnType<Rows['query']> {
    return this.#rows.query(partition, { from: '!', to: '~', limit: intakesMost });
  }
}
