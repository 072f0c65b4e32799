// A world with random faults: several hosts on one storage, calls that are refused or whose answers are lost, deaths,
// duplicate deliveries, a server with a long tail that cuts and accepts late. Everything from one seed.
import { StorageTrouble } from '../../shared/storageErrors.ts';
import type { OutboundNumbers } from '../../shared/outbound/numbers.ts';
import type { DialogPlan } from './modelRelay.ts';
import { seededRandom } from './seededRandom.ts';
import { World } from './world.ts';
import type { Host } from './world.ts';

export interface Rates {
  /** Of storage calls. */
  readonly refused: number;
  readonly lost: number;
  readonly repeated: number;
  readonly death: number;
  /** Takes longer than a lease lasts, on the way there or back. */
  readonly slow: number;
  /** Of messages at the server. */
  readonly cut: number;
  readonly acceptedLate: number;
  readonly refusedForNow: number;
  readonly copyNever: number;
  /** Of submissions. */
  readonly duplicate: number;
}

export const chaosRates: Rates = {
  refused: 0.01,
  lost: 0.01,
  repeated: 0.01,
  death: 0.001,
  slow: 0.003,
  cut: 0.02,
  acceptedLate: 0.005,
  refusedForNow: 0.02,
  copyNever: 0.2,
  duplicate: 0.05,
};

export interface Account {
  readonly world: World;
  readonly lost: readonly string[];
  readonly twice: readonly string[];
  readonly misordered: readonly string[];
  readonly unreported: readonly string[];
  readonly stuck: readonly string[];
  readonly deaths: number;
  readonly mostInAnyPeriod: number;
  readonly mostConnections: number;
}

const hostCount = 3;

/** Submits `count` messages over some minutes and runs the world until `hours` have passed. */
export async function runChaos(
  seed: number,
  count: number,
  rates: Rates,
  numbers: Partial<OutboundNumbers> = {},
  hours = 3,
): Promise<Account> {
  const world = new World(undefined, numbers);
  const random = seededRandom(seed);
  const chance = (rate: number): boolean => random.uniform() < rate;
  const endsAt = world.clock.now + hours * 3_600_000;
  const calmFrom = world.clock.now + (hours - 1) * 3_600_000;
  let deaths = 0;
  const hosts: Host[] = [];

  const newHost = (): Host => {
    const host = world.host();
    host.wire.faultPlan = () => {
      const calm = world.clock.now >= calmFrom;
      if (!calm && chance(rates.death)) {
        deaths += 1;
        world.kill(host, chance(0.1) ? random.uniform() * 300_000 : 0);
        hosts.splice(hosts.indexOf(host), 1, newHost());
      }
      const times = { thereMs: 1 + random.uniform() * 10, backMs: 1 + random.uniform() * 40 };
      if (calm) return times;
      if (chance(rates.slow)) {
        const longMs = 20_000 + random.uniform() * 100_000;
        return chance(0.5) ? { ...times, thereMs: longMs } : { ...times, backMs: longMs };
      }
      if (chance(rates.refused)) return { ...times, trouble: 'refused' };
      if (chance(rates.lost)) return { ...times, trouble: 'lost' };
      return chance(rates.repeated) ? { ...times, trouble: 'repeated' } : times;
    };
    return host;
  };
  for (let index = 0; index < hostCount; index += 1) hosts.push(newHost());
  const anyHost = (): Host => hosts[Math.floor(random.uniform() * hosts.length)] ?? newHost();

  world.server.dialogPlan = (): DialogPlan => {
    const latencyMs = 500 + random.uniform() * 2_000 + (chance(0.03) ? random.uniform() * 60_000 : 0);
    const copy: DialogPlan = { copyAfterMs: chance(rates.copyNever) ? 'never' : random.uniform() * 60_000 };
    if (world.clock.now >= calmFrom) return { latencyMs };
    if (chance(rates.cut)) {
      const cuts = ['beforeDot', 'afterDotAccepted', 'afterDotLost'] as const;
      return { latencyMs, ...copy, cut: cuts[Math.floor(random.uniform() * 3)] ?? 'beforeDot' };
    }
    if (chance(rates.acceptedLate)) return { latencyMs, ...copy, acceptsAfterMs: random.uniform() * 600_000 };
    if (chance(rates.refusedForNow)) {
      return {
        latencyMs,
        refuse: { phase: 'dot', reply: { code: 451, enhanced: '4.7.0', text: 'Temporary server error' } },
      };
    }
    return { latencyMs, ...copy };
  };

  // A queue delivers until its message is done with; a host that died holds it back for a while.
  const deliver = async (id: string): Promise<void> => {
    for (let delivery = 0; delivery < 200; delivery += 1) {
      const host = anyHost();
      const done = host.outbound.accept(world.submission(id)).then(
        () => 'done' as const,
        (error: unknown) => {
          if (error instanceof StorageTrouble) return 'again' as const;
          throw error;
        },
      );
      const answer = await Promise.race([done, world.clock.sleep(30_000).then(() => 'again' as const)]);
      if (answer === 'done') return;
      await world.clock.sleep(5_000);
    }
  };
  const troubles: unknown[] = [];
  const spawn = (work: Promise<unknown>): void => {
    work.catch((error: unknown) => {
      if (!(error instanceof StorageTrouble)) troubles.push(error);
    });
  };
  const submitting = async (): Promise<void> => {
    for (let index = 0; index < count; index += 1) {
      await world.clock.sleep(random.uniform() * 4_000);
      spawn(deliver(`m${index}`));
      if (chance(rates.duplicate)) spawn(deliver(`m${index}`));
    }
  };
  const answering = async (): Promise<void> => {
    while (world.clock.now < endsAt) {
      const text = world.queue.wakeUps.shift();
      if (text === undefined) await world.clock.sleep(1_000);
      else spawn(anyHost().outbound.drain(text, 'invocation'));
    }
  };
  const sweeping = async (): Promise<void> => {
    while (world.clock.now < endsAt) {
      await world.clock.sleep(60_000);
      spawn(anyHost().outbound.sweep());
    }
  };
  spawn(submitting());
  spawn(answering());
  spawn(sweeping());
  await world.clock.runUntil(endsAt);
  if (troubles.length > 0) throw troubles[0];
  return account(world, count, deaths);
}

/** The outcome of every id, from the server's log, the status queue and the rows. */
function account(world: World, count: number, deaths: number): Account {
  const ids = Array.from({ length: count }, (_, index) => `m${index}`);
  const arrivals = new Map<string, number>();
  for (const { bridgeId } of world.server.arrivals) {
    const id = bridgeId.slice(0, bridgeId.lastIndexOf('.'));
    arrivals.set(id, (arrivals.get(id) ?? 0) + 1);
  }
  const histories = new Map(ids.map((id) => [id, world.history(id)]));
  const doubted = (id: string): boolean => histories.get(id)?.includes('inDoubt') ?? false;
  const rows = world.table.all(world.account).map(({ key }) => key);
  return {
    world,
    lost: ids.filter((id) => (arrivals.get(id) ?? 0) === 0 && !doubted(id)),
    twice: ids.filter((id) => (arrivals.get(id) ?? 0) > 1 && !doubted(id)),
    misordered: ids.filter((id) => {
      const numbers = world.sequences(id);
      return numbers.some((number, index) => number !== index + 1);
    }),
    unreported: ids.filter((id) => !['sent', 'held', 'failed'].includes(histories.get(id)?.at(-1) ?? '')),
    stuck: rows.filter((key) => !/^(account$|msg\||suspended\|indoubt)/.test(key)),
    deaths,
    mostInAnyPeriod: world.mostInAnyPeriod(),
    mostConnections: world.server.mostOpenCount,
  };
}
