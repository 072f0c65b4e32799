// Between one process and the storage service. Every durable call can be refused; vanish on its way; be applied
// and its answer lost, which half the time the client repeats by itself, so that the answer to the repeat comes
// back (412, 409); or be the last thing its process did. Answers carry the service's Date in whole seconds.
import { StorageTrouble } from '../../shared/storageErrors.ts';
import type { ClockSampler } from '../../shared/storageErrors.ts';
import type { CallRates } from './faultProfile.ts';
import type { Machine } from './machine.ts';
import type { Scheduler } from './scheduler.ts';

/** Rates hold until the faults stop. */
export interface FaultSchedule {
  readonly calls: CallRates;
  faultsStopAt: number;
}

export class Wire {
  readonly #scheduler: Scheduler;
  readonly #machine: Machine;
  readonly #witness: ClockSampler;
  readonly #faultSchedule: FaultSchedule;
  /** By which every answer comes later than others' do. */
  readonly #farMs: number;
  readonly #count: (what: 'call' | 'pause') => void;

  constructor(
    scheduler: Scheduler,
    machine: Machine,
    witness: ClockSampler,
    faultSchedule: FaultSchedule,
    count: (what: 'call' | 'pause') => void,
  ) {
    this.#scheduler = scheduler;
    this.#machine = machine;
    this.#witness = witness;
    this.#faultSchedule = faultSchedule;
    this.#count = count;
    this.#farMs = scheduler.chance(faultSchedule.calls.farAway) ? scheduler.between(4_000, 9_000) : 0;
  }

  /** `apply` is the service's side, and may happen twice. Rejects with StorageTrouble. */
  ask<T>(what: string, apply: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const machine = this.#machine;
      const scheduler = this.#scheduler;
      if (machine.dead) return;
      this.#count('call');
      const { calls } = this.#faultSchedule;
      const faultsActive = scheduler.now < this.#faultSchedule.faultsStopAt;
      const happens = (rate: number): boolean => faultsActive && scheduler.chance(rate);
      const thereMs = this.#way(happens);
      const backMs = this.#farMs + this.#way(happens);
      const sentAt = machine.clock.monotonic();
      const answer = (value: T, dateMs: number): void => {
        machine.after(backMs, () => {
          this.#witness.observe({ sentAt, dateMs, receivedAt: machine.clock.monotonic() });
          resolve(value);
        });
      };
      const trouble = (ms: number, detail: string): void => {
        machine.after(ms, () => {
          reject(new StorageTrouble(detail));
        });
      };
      const applied = (): { readonly value: T; readonly dateMs: number } => ({
        value: apply(),
        dateMs: Math.floor(scheduler.now / 1_000) * 1_000,
      });
      scheduler.trace(`${machine.name} ${what}`);
      if (happens(calls.pause)) {
        this.#count('pause');
        machine.pause(scheduler.between(20_000, 420_000));
      }
      if (happens(calls.death)) {
        // Before it went out, on its way, or with the answer on its way back.
        const diesIn = scheduler.uniform();
        if (diesIn < 0.3) {
          machine.die();
          return;
        }
        scheduler.after(diesIn < 0.6 ? thereMs / 2 : thereMs + backMs / 2, () => {
          machine.die();
        });
      }
      if (happens(calls.refused)) {
        trouble(thereMs + backMs, '503 Server busy');
        return;
      }
      if (happens(calls.vanished)) {
        trouble(scheduler.between(5_000, 30_000), 'the connection timed out');
        return;
      }
      const lost = happens(calls.lost);
      scheduler.after(thereMs, () => {
        const first = applied();
        if (!lost) answer(first.value, first.dateMs);
        else if (scheduler.chance(0.5))
          trouble(scheduler.between(backMs, 10_000), 'the connection was reset');
        else
          machine.after(scheduler.between(800, 4_000), () => {
            if (machine.dead) return;
            scheduler.after(thereMs, () => {
              const second = applied();
              answer(second.value, second.dateMs);
            });
          });
      });
    });
  }

  #way(happens: (rate: number) => boolean): number {
    const { calls } = this.#faultSchedule;
    const ms = this.#scheduler.between(1, calls.latencyMs);
    return happens(calls.slow) ? ms + this.#scheduler.between(1_000, 30_000) : ms;
  }
}
