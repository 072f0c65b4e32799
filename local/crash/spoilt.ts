// The store and the server misbehave while a host works, and nobody is killed: calls that are refused, calls whose
// answer is lost, calls that take longer than the lease, and connections that are cut at each step of the dialog.
// Each fault has an account of its own, so that all of them can happen to one host at once.
import { setTimeout as pause } from 'node:timers/promises';
import type { SmtpStep, StepInfo } from '../emulators/exchange/faults.ts';
import type { AfterCall, BeforeCall, SeenCall } from '../storageProxy/storageProxy.ts';
import type { Lane, Watch } from './lane.ts';
import { crashNumbers } from './numbers.ts';
import type { SceneName } from './points.ts';
import { address, sceneOf, type Planned } from './scenes.ts';

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
  'move',
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

/** Where what is usually sent never comes to the call. */
const scenes: Readonly<Record<string, SceneName>> = {
  'put outbound-content': 'large',
  move: 'partlyRefused',
};

/** The client tries a call three times: so often that it gives up once. */
const refusals = 4;
const slowMs = crashNumbers.leaseMs + 500;

export const accountOfFault = (at: number): string => `fault${String(at)}`;

export interface Spoilt {
  readonly fault: Fault;
  readonly planned: readonly Planned[];
  /** How often it happened. */
  readonly hits: number;
}

/** Plays these faults at once; the lane has an account for each. True where all came to rest. */
export async function spoil(
  lane: Lane,
  some: readonly Fault[],
  repeat: number,
): Promise<{ readonly spoilt: readonly Spoilt[]; readonly rested: boolean }> {
  const spoilers = some.map((fault, at) => new Spoiler(fault, address(accountOfFault(at))));
  const played = spoilers.map(({ account, fault }) => {
    const name = fault.kind === 'cut' ? 'usual' : (scenes[fault.call] ?? 'usual');
    return sceneOf(name, account, `${account.split('@')[0] ?? ''}.${String(repeat)}`);
  });
  const unprepare = played.map((scene) => scene.prepare(lane.stack.exchange));
  lane.watch(new Spoilers(spoilers));
  await lane.host();
  for (const scene of played) await lane.submit(scene);
  const rested = await lane.untilRest(
    played.flatMap(({ planned }) => planned),
    spoilers.map(({ account }) => account),
  );
  lane.watch(undefined);
  for (const end of unprepare) end();
  return {
    spoilt: spoilers.map(({ fault, hits }, at) => ({ fault, hits, planned: played[at]?.planned ?? [] })),
    rested,
  };
}

class Spoilers implements Watch {
  readonly #spoilers: readonly Spoiler[];

  constructor(spoilers: readonly Spoiler[]) {
    this.#spoilers = spoilers;
  }

  before(call: SeenCall): Promise<BeforeCall> | BeforeCall {
    return this.#of(call)?.before(call) ?? 'forward';
  }

  after(call: SeenCall): AfterCall {
    return this.#of(call)?.after(call) ?? 'pass';
  }

  step(step: SmtpStep, { account }: StepInfo): 'cut' | undefined {
    return this.#spoilers.find((one) => one.account === account)?.step(step);
  }

  /** Calls that name no partition are known by the address that their body has. */
  #of({ partition, body }: SeenCall): Spoiler | undefined {
    return this.#spoilers.find(({ account }) =>
      partition === undefined ? body.includes(account) : partition === account,
    );
  }
}

class Spoiler {
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
