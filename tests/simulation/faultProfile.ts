// Fault profiles: the number of machines and accounts, their limits, and the rate of every fault. Each world of a run
// draws its own from its seed; the named profiles isolate one kind of fault.
import type { Limits } from '../../shared/mail/mailbox.ts';
import type { OutboundNumbers } from '../../shared/outbound/numbers.ts';
import { Scheduler } from './scheduler.ts';

export interface FaultProfile {
  readonly accounts: readonly { readonly limits: Limits; readonly mailboxCount: number }[];
  readonly hosts: number;
  readonly numbers: Partial<OutboundNumbers>;
  readonly calls: CallRates;
  readonly server: ServerRates;
  readonly traffic: Traffic;
  /** Every process sweeps, instead of one. */
  readonly everyoneSweeps: boolean;
  /** Of the monotonic clocks' speed, and the largest difference of wall clocks. */
  readonly drift: number;
  readonly skewMs: number;
}

/** Of every durable call: rows, blobs and queues. */
export interface CallRates {
  readonly refused: number;
  /** Applied, and the answer is lost; half of them are repeated by the client and come back as 412 or 409. */
  readonly lost: number;
  readonly vanished: number;
  /** The process dies, before or after the call is applied. */
  readonly death: number;
  /** The process is paused for 20 s to 7 minutes. */
  readonly pause: number;
  /** Takes seconds on the way there or back. */
  readonly slow: number;
  /** The usual latency each way, at most. */
  readonly latencyMs: number;
  /** Processes that receive every answer four to nine seconds late. */
  readonly farAway: number;
  /** Queue messages that are handed out twice. */
  readonly duplicate: number;
}

export interface ServerRates {
  /** Nine of ten take 0.5 to 2.5 s, the others up to 25 s and one in a hundred up to 90 s. */
  readonly tail: boolean;
  readonly cutBeforeDot: number;
  readonly cutAfterDot: number;
  /** Of those cut after the dot, the share that the server drops. */
  readonly dropped: number;
  /** Accepts up to ten minutes after the dot; the client may have given up by then. So may those that were cut off. */
  readonly acceptsLate: number;
  readonly latestLeastMs: number;
  readonly refusedForNow: number;
  readonly refusedForGood: number;
  readonly recipientForNow: number;
  readonly recipientForGood: number;
  readonly death: number;
  /** Incidents an hour: transient errors, outages, quotas, sign-in. */
  readonly incidentsPerHour: number;
  readonly copyNever: number;
  readonly copyLeastMs: number;
  readonly copyMostMs: number;
  readonly lookNotMade: number;
}

export interface Traffic {
  readonly count: number;
  /** The time over which they are submitted. */
  readonly overMs: number;
  /** All at the beginning, so that there is a backlog. */
  readonly burst: boolean;
  readonly high: number;
  readonly bulk: number;
  readonly manyRecipients: number;
  readonly mostRecipients: number;
  /** Of every bulk message, where that is set. */
  readonly bulkRecipients?: number;
  readonly delayed: number;
  readonly expiring: number;
  /** The same submission again, or other content under the same id. */
  readonly again: number;
  readonly otherContent: number;
  /** Cancelled by ESM; dead letters replayed by an operator. */
  readonly cancelled: number;
  readonly replayed: number;
}

const minuteMs = 60_000;

const noFaults: CallRates = {
  refused: 0,
  lost: 0,
  vanished: 0,
  death: 0,
  pause: 0,
  slow: 0,
  latencyMs: 10,
  farAway: 0,
  duplicate: 0,
};
const goodServer: ServerRates = {
  tail: false,
  cutBeforeDot: 0,
  cutAfterDot: 0,
  dropped: 0.5,
  acceptsLate: 0,
  latestLeastMs: 0,
  refusedForNow: 0,
  refusedForGood: 0,
  recipientForNow: 0,
  recipientForGood: 0,
  death: 0,
  incidentsPerHour: 0,
  copyNever: 0,
  copyLeastMs: 0,
  copyMostMs: 60_000,
  lookNotMade: 0,
};
const plainTraffic: Omit<Traffic, 'count' | 'overMs'> = {
  burst: false,
  high: 0,
  bulk: 0,
  manyRecipients: 0,
  mostRecipients: 5,
  delayed: 0,
  expiring: 0,
  again: 0,
  otherContent: 0,
  cancelled: 0,
  replayed: 0,
};
const exchangeLimits: Limits = { messagesPerMinute: 30, recipientsPerDay: 10_000, connections: 3 };

/** The fault rates that the project's goals name: 1 % refused, 1 % lost, 0.1 % deaths, 5 % twice, 3 pauses per 1,000. */
export function randomProfile(chance: Scheduler, count: number, hosts: number): FaultProfile {
  const limits = (): Limits => {
    const kind = chance.uniform();
    if (kind < 0.6) return exchangeLimits;
    if (kind < 0.7) return { messagesPerMinute: 30, recipientsPerDay: 400, connections: 2 };
    if (kind < 0.8) return { messagesPerMinute: 10, recipientsPerDay: 10_000, connections: 1 };
    return { messagesPerMinute: 20, recipientsPerDay: 2_000, connections: 3 };
  };
  const accounts = Array.from({ length: 1 + Math.floor(chance.uniform() * 4) }, () => ({
    limits: limits(),
    mailboxCount: chance.chance(0.25) ? 3 : 1,
  }));
  const perMinute = accounts.reduce((sum, { limits: { messagesPerMinute } }) => sum + messagesPerMinute, 0);
  const heavy = chance.chance(0.05);
  return {
    accounts,
    hosts,
    numbers: {
      inDoubtPolicy: chance.chance(0.5) ? 'hold' : 'resend',
      // Small contents in the row, the others in blobs, so that both paths run.
      contentInRowBytes: chance.chance(0.3) ? 420 : 65_536,
      ...(chance.chance(0.3) ? { drainBudgetMs: 2 * minuteMs } : {}),
    },
    calls: {
      refused: 0.01,
      lost: 0.01,
      vanished: 0.002,
      death: 0.001,
      pause: 0.0003,
      slow: 0.003,
      latencyMs: chance.chance(0.2) ? 400 : 40,
      farAway: chance.chance(0.1) ? 0.3 : 0,
      duplicate: 0.05,
    },
    server: {
      tail: chance.chance(0.5),
      cutBeforeDot: 0.01,
      cutAfterDot: 0.01,
      dropped: 0.5,
      acceptsLate: 0.005,
      latestLeastMs: 0,
      refusedForNow: 0.01,
      refusedForGood: 0.005,
      recipientForNow: 0.01,
      recipientForGood: 0.01,
      death: 0.0005,
      incidentsPerHour: chance.chance(0.5) ? 1.5 : 0,
      copyNever: chance.chance(0.5) ? 0.3 : 0,
      copyLeastMs: 0,
      copyMostMs: chance.chance(0.2) ? 30 * minuteMs : minuteMs,
      lookNotMade: 0.1,
    },
    traffic: {
      count,
      overMs: (chance.between(0.3, 1.5) * count * minuteMs) / perMinute,
      burst: chance.chance(0.3),
      high: 0.1,
      bulk: 0.2,
      manyRecipients: heavy ? 0.2 : 0.03,
      mostRecipients: heavy ? 400 : 5,
      delayed: 0.02,
      expiring: 0.02,
      again: 0.03,
      otherContent: 0.01,
      cancelled: 0.01,
      replayed: 0.3,
    },
    everyoneSweeps: chance.chance(0.2),
    drift: 0.000_05,
    skewMs: chance.chance(0.2) ? 5 * minuteMs : 2_000,
  };
}

/** No faults: measures the protocol's own cost and delay. */
export const calmProfile = (count: number, overMs: number, limits: Partial<Limits> = {}): FaultProfile => ({
  accounts: [{ limits: { ...exchangeLimits, ...limits }, mailboxCount: 1 }],
  hosts: 3,
  numbers: {},
  calls: noFaults,
  server: goodServer,
  traffic: { ...plainTraffic, count, overMs },
  everyoneSweeps: false,
  drift: 0,
  skewMs: 2_000,
});

/** One kind of fault at a time, at a high rate: for situations that are rare under the usual profile. */
export const faultProfiles = {
  /** The usual one, from this seed. */
  rough: (seed: number, count: number) => randomProfile(new Scheduler(seed, 0), count, 3),
  /** An occasional message on an idle account. */
  quiet: (_seed: number, count: number) => calmProfile(count, count * 20_000),
  /** A backlog from the first minute, and nothing else. */
  backlog: (_seed: number, count: number) => {
    const calm = calmProfile(count, 0);
    return { ...calm, traffic: { ...calm.traffic, burst: true } };
  },
  /** A server that often accepts after the client has given up, at full rate. */
  lateServer: (_seed: number, count: number) => {
    const calm = calmProfile(count, 0);
    return {
      ...calm,
      server: { ...calm.server, cutAfterDot: 0.3, dropped: 0, death: 0.01 },
      traffic: { ...calm.traffic, burst: true },
    };
  },
  /** Some processes receive storage answers seconds late, others at once, and they alternate at full rate. */
  slowStore: (_seed: number, count: number) => {
    const calm = calmProfile(count, 0, { messagesPerMinute: 5 });
    return {
      ...calm,
      numbers: { drainBudgetMs: minuteMs },
      calls: { ...calm.calls, farAway: 0.5 },
      traffic: { ...calm.traffic, burst: true },
    };
  },
  /** Processes die and pause all the time. */
  deadly: (_seed: number, count: number) => {
    const calm = calmProfile(count, count * 2_000);
    return {
      ...calm,
      calls: { ...calm.calls, death: 0.004, pause: 0.001, refused: 0.01, lost: 0.01 },
      server: { ...calm.server, death: 0.005 },
    };
  },
  /** A message in ten minutes, and processes that die over it. */
  lonely: (_seed: number, count: number) => {
    const calm = calmProfile(count, count * 10 * minuteMs);
    return { ...calm, calls: { ...calm.calls, death: 0.01 } };
  },
  /** An occasional message on an account with one connection, whose lease owners die. */
  oneConnection: (_seed: number, count: number) => {
    const calm = calmProfile(count, count * 30_000, { connections: 1 });
    return { ...calm, calls: { ...calm.calls, death: 0.001 } };
  },
  /** Answers get lost, and little else. */
  lostAnswers: (_seed: number, count: number) => {
    const calm = calmProfile(count, count * 2_000);
    return { ...calm, calls: { ...calm.calls, lost: 0.05, refused: 0.02 } };
  },
  /** Often no reply to the final dot; the message is accepted late and its copy appears late, but in time; the policy is `resend`. */
  inDoubt: (_seed: number, count: number) => {
    const calm = calmProfile(count, count * 3_000);
    return {
      ...calm,
      numbers: { inDoubtPolicy: 'resend' as const },
      server: {
        ...calm.server,
        cutAfterDot: 0.2,
        latestLeastMs: 9.5 * minuteMs,
        copyLeastMs: 4.9 * minuteMs,
        copyMostMs: 5 * minuteMs,
        lookNotMade: 0.3,
      },
    };
  },
  /** The same, with copies that never appear. */
  copiesMissing: (_seed: number, count: number) => {
    const calm = calmProfile(count, count * 3_000);
    return {
      ...calm,
      numbers: { inDoubtPolicy: 'resend' as const },
      server: { ...calm.server, cutAfterDot: 0.3, copyNever: 0.3, recipientForNow: 0.3 },
      traffic: { ...calm.traffic, manyRecipients: 1, mostRecipients: 3 },
    };
  },
  /** Some recipients of many a message are refused, and processes die around the dot. */
  refusing: (_seed: number, count: number) => {
    const calm = calmProfile(count, count * 20_000);
    return {
      ...calm,
      calls: { ...calm.calls, refused: 0.02, lost: 0.02 },
      server: { ...calm.server, recipientForNow: 0.1, recipientForGood: 0.1, death: 0.05 },
      traffic: { ...calm.traffic, manyRecipients: 1, mostRecipients: 5 },
    };
  },
  /** The daily recipient limit is exhausted again and again, under a server that accepts late. */
  shortDay: (_seed: number, count: number) => {
    const calm = calmProfile(count, count * 240_000, { recipientsPerDay: 120 });
    return {
      ...calm,
      server: { ...calm.server, acceptsLate: 0.4, recipientForNow: 0.1, recipientForGood: 0.1 },
      traffic: { ...calm.traffic, high: 0.2, bulk: 0.3, manyRecipients: 0.5, mostRecipients: 5 },
    };
  },
  /** Bulk mail that exhausts the daily limit, and urgent messages in between. */
  urgentBehindBulk: (_seed: number, count: number) => {
    const calm = calmProfile(count, count * 240_000, { recipientsPerDay: 200 });
    return {
      ...calm,
      traffic: { ...calm.traffic, bulk: 0.5, high: 0.5, bulkRecipients: 150 },
    };
  },
  /** Two contents under one id, at once; all contents are in blobs. */
  twoContents: (_seed: number, count: number) => {
    const calm = calmProfile(count, count * 2_000);
    return {
      ...calm,
      numbers: { contentInRowBytes: 100 },
      traffic: { ...calm.traffic, otherContent: 0.5, again: 0.2 },
      calls: { ...calm.calls, latencyMs: 400, duplicate: 0.3 },
    };
  },
  /** Bursts of 4xx, outages, quotas and refused sign-ins, one after the other. */
  stormy: (_seed: number, count: number) => {
    const calm = calmProfile(count, count * 6_000);
    return {
      ...calm,
      server: { ...calm.server, incidentsPerHour: 6, refusedForNow: 0.05, cutBeforeDot: 0.1 },
    };
  },
} as const satisfies Readonly<Record<string, (seed: number, count: number) => FaultProfile>>;

export type FaultProfileName = keyof typeof faultProfiles;
