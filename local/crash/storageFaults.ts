// Storage and server faults without a kill: calls that are refused, calls whose answer is lost, calls that take longer
// than the lease, and connections that are cut at each step of the dialog. Each fault has an account of its own, so that
// all of them can be injected into one host at once.
import { setTimeout as pause } from 'node:timers/promises';
import type { SmtpStep, StepInfo } from '../emulators/exchange/faults.ts';
import type { AfterCall, BeforeCall, SeenCall } from '../storageProxy/storageProxy.ts';
import type { Lane, TrafficObserver } from './lane.ts';
import { crashNumbers } from './numbers.ts';
import type { ScenarioName } from './points.ts';
import { address, scenarioOf, type Planned } from './scenarios.ts';

export type Fault =
  | { readonly kind: 'refused' | 'answer lost' | 'slow'; readonly call: string }
  | { readonly kind: 'cut'; readonly step: SmtpStep };

const calls = [
  'put outbound-content',
  'accept',
  'put outbound-wake',
  'lease',
  'read due',
  'read msg',
  'claim',
  'transition',
  'settle',
  'put mail-status',
  'give back',
];
const cuts: readonly SmtpStep[] = ['mail', 'rcpt', 'data', 'body', 'dot', 'reply'];

export const faults: readonly Fault[] = [
  ...(['refused', 'answer lost', 'slow'] as const).flatMap((kind) =>
    calls.map((call): Fault => ({ kind, call })),
  ),
  ...cuts.map((step): Fault => ({ kind: 'cut', step })),
];

/** For calls that the usual scenario does not make. */
const scenarios: Readonly<Record<string, ScenarioName>> = {
  'put outbound-content': 'large',
  transition: 'partlyRefused',
};

/** The client makes three attempts: one more, so that it gives up once. */
const refusals = 4;
const slowMs = crashNumbers.leaseMs + 500;

export const accountOfFault = (at: number): string => `fault${String(at)}`;

export interface FaultOutcome {
  readonly fault: Fault;
  readonly planned: readonly Planned[];
  /** How often the fault occurred. */
  readonly hits: number;
}

/** Injects these faults at once; the lane has an account for each. `settled` if everything came to an end. */
export async function runFaults(
  lane: Lane,
  some: readonly Fault[],
  repeat: number,
): Promise<{ readonly outcomes: readonly FaultOutcome[]; readonly settled: boolean }> {
  const injectors = some.map((fault, at) => new FaultInjector(fault, address(accountOfFault(at))));
  const played = injectors.map(({ account, fault }) => {
    const name = fault.kind === 'cut' ? 'usual' : (scenarios[fault.call] ?? 'usual');
    return scenarioOf(name, account, `${account.split('@')[0] ?? ''}.${String(repeat)}`);
  });
  const restore = played.map((scenario) => scenario.prepare(lane.stack.exchange));
  lane.watch(new FaultInjectors(injectors));
  await lane.host();
  for (const scenario of played) await lane.submit(scenario);
  const settled = await lane.untilSettled(
    played.flatMap(({ planned }) => planned),
    injectors.map(({ account }) => account),
  );
  lane.watch(undefined);
  for (const end of restore) end();
  return {
    outcomes: injectors.map(({ fault, hits }, at) => ({ fault, hits, planned: played[at]?.planned ?? [] })),
    settled,
  };
}

class FaultInjectors implements TrafficObserver {
  readonly #injectors: readonly FaultInjector[];

  constructor(injectors: readonly FaultInjector[]) {
    this.#injectors = injectors;
  }

  before(call: SeenCall): Promise<BeforeCall> | BeforeCall {
    return this.#of(call)?.before(call) ?? 'forward';
  }

  after(call: SeenCall): AfterCall {
    return this.#of(call)?.after(call) ?? 'pass';
  }

  step(step: SmtpStep, { account }: StepInfo): 'cut' | undefined {
    return this.#injectors.find((one) => one.account === account)?.step(step);
  }

  /** Calls without a partition are matched by the address in their body. */
  #of({ partition, body }: SeenCall): FaultInjector | undefined {
    return this.#injectors.find(({ account }) =>
      partition === undefined ? body.includes(account) : partition === account,
    );
  }
}

class FaultInjector {
  readonly fault: Fault;
  readonly account: string;
  hits = 0;

  constructor(fault: Fault, account: string) {
    this.fault = fault;
    this.account = account;
  }

  async before({ name }: SeenCall): Promise<BeforeCall> {
    const { fault } = this;
    if (fault.kind === 'cut' || fault.call !== name) return 'forward';
    if (fault.kind === 'refused' && this.hits < refusals) {
      this.hits += 1;
      return 'refuse';
    }
    if (fault.kind === 'slow' && this.hits === 0) {
      this.hits += 1;
      await pause(slowMs);
    }
    return 'forward';
  }

  after({ name }: SeenCall): AfterCall {
    const { fault } = this;
    if (fault.kind !== 'answer lost' || fault.call !== name || this.hits > 0) return 'pass';
    this.hits += 1;
    return 'lose';
  }

  step(step: SmtpStep): 'cut' | undefined {
    if (this.fault.kind !== 'cut' || this.fault.step !== step || this.hits > 0) return undefined;
    this.hits += 1;
    return 'cut';
  }
}
