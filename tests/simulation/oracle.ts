// Who judges a run. It knows what was submitted, and sees only what anybody outside could: the server's log, the
// status queue, the clock, and at the very end that the outbox has nothing left to do. Invariants I1 to I4, I7,
// I8, I10 and I12 of the failure catalogue; each violation is a sentence that begins with its kind.
import type { Blobs } from './store.ts';
import type { Arrival } from './server.ts';
import type { Submitted } from './traffic.ts';

interface Outcome {
  readonly address: string;
  readonly outcome: string;
}

interface Story {
  /** Of the last event told for the first time. */
  sequence: number;
  type: string;
  reason: string;
  outcomes: readonly Outcome[];
  doubts: number;
  /** Types in their order. */
  types: string[];
  startedTell?: number;
}

export interface Verdict {
  readonly violations: readonly string[];
  readonly lost: number;
  readonly unexplainedDuplicates: number;
  /** Ids that were told to be in doubt at some time. */
  readonly inDoubt: number;
  readonly doubtsTold: number;
  /** Ids that end waiting for a person. */
  readonly held: number;
  readonly mostInAnyPeriod: number;
  readonly mostRecipientsInAnyDay: number;
  readonly delays: readonly number[];
  readonly highDelays: readonly number[];
}

const terminal: ReadonlySet<string> = new Set(['sent', 'failed', 'expired', 'cancelled']);
const mostNamed = 20;

/** What the server knows. */
interface Evidence {
  readonly arrivals: readonly Arrival[];
  /** `id address` of every RCPT that was refused. */
  readonly refused: ReadonlySet<string>;
}

export class Oracle {
  readonly #stories = new Map<string, Story>();
  readonly #rejected = new Set<string>();
  readonly #violations: string[] = [];
  readonly #blobs: Blobs;
  #finished = 0;

  constructor(blobs: Blobs) {
    this.#blobs = blobs;
  }

  say(violation: string): void {
    if (this.#violations.length < mostNamed) this.#violations.push(violation);
  }

  /** Ids whose last word is an end, or waits for a person. */
  get finishedCount(): number {
    return this.#finished;
  }

  /** An event as it comes on the status queue; answers its type without `mail.`. */
  hear(text: string): { readonly id: string; readonly type: string } {
    const event = JSON.parse(text) as {
      readonly type: string;
      readonly data: {
        readonly submission?: string;
        readonly sequence?: number;
        readonly reason?: string;
        readonly recipients?: readonly Outcome[];
        readonly whole?: { readonly blob: string };
        readonly content?: { readonly sha256: string };
      };
    };
    const type = event.type.replace(/^mail\./, '');
    const { submission: id = '', sequence = 0, reason = '', recipients, whole, content } = event.data;
    if (type === 'rejected') {
      this.#rejected.add(content?.sha256 ?? '');
      return { id, type };
    }
    const story = this.#stories.get(id) ?? {
      sequence: 0,
      type: '',
      reason: '',
      outcomes: [],
      doubts: 0,
      types: [],
    };
    this.#stories.set(id, story);
    if (sequence <= story.sequence) {
      if (story.types[sequence - 1] !== type)
        this.say(`order: ${id} event ${sequence} was ${story.types[sequence - 1] ?? ''} and is now ${type}`);
      return { id, type };
    }
    if (sequence !== story.sequence + 1)
      this.say(`order: ${id} is told event ${sequence} after ${story.sequence}`);
    if (story.type === 'sent') this.say(`order: ${id} is told ${type} after sent`);
    const before = isEnd(story.type, story.reason);
    story.sequence = sequence;
    story.type = type;
    story.reason = reason;
    story.types[sequence - 1] = type;
    if (type === 'inDoubt') story.doubts += 1;
    if (recipients !== undefined) story.outcomes = recipients;
    else if (whole !== undefined) story.outcomes = this.#fetch(whole.blob);
    this.#finished += Number(isEnd(type, reason)) - Number(before);
    return { id, type };
  }

  /** `reference` is `container/name`, as ESM would read it. */
  #fetch(reference: string): readonly Outcome[] {
    const bytes = this.#blobs.get(reference.slice(reference.indexOf('/') + 1))?.bytes;
    if (bytes === undefined) {
      this.say(`untold: an event names the blob ${reference}, which is not there`);
      return [];
    }
    const event = JSON.parse(Buffer.from(bytes).toString()) as {
      readonly data: { readonly recipients?: readonly Outcome[] };
    };
    return event.data.recipients ?? [];
  }

  /** Everything that can be said at the end of the run. */
  judge(
    submitted: readonly Submitted[],
    { arrivals, refused }: Evidence,
    limitsOf: (account: string) => { readonly messagesPerMinute: number; readonly recipientsPerDay: number },
    mayRepeat: boolean,
  ): Verdict {
    const byId = new Map<string, Arrival[]>();
    for (const arrival of arrivals) {
      const known = byId.get(arrival.id);
      if (known === undefined) byId.set(arrival.id, [arrival]);
      else known.push(arrival);
    }
    let lost = 0;
    let unexplainedDuplicates = 0;
    for (const one of submitted) {
      const mine = byId.get(one.id) ?? [];
      const story = this.#stories.get(one.id);
      byId.delete(one.id);
      const found = judgeOne(one, mine, story, {
        rejected: this.#rejected,
        refused,
        mayRepeat,
      });
      for (const violation of found) this.say(violation);
      if (found.some((detail) => detail.startsWith('lost:'))) lost += 1;
      if (found.some((detail) => detail.startsWith('duplicate:'))) unexplainedDuplicates += 1;
    }
    for (const id of byId.keys()) this.say(`unknown: ${id} arrived and was never submitted`);
    const most = mostOf(arrivals, limitsOf, (violation) => {
      this.say(violation);
    });
    const stories = [...this.#stories.values()];
    const delayOf = ({ id, startsAt }: Submitted, first: ReadonlyMap<string, number>): number[] => {
      const at = first.get(id);
      return at === undefined ? [] : [at - startsAt];
    };
    const first = new Map<string, number>();
    for (const { id, at } of arrivals) if (!first.has(id)) first.set(id, at);
    return {
      violations: this.#violations,
      lost,
      unexplainedDuplicates,
      inDoubt: stories.filter(({ doubts }) => doubts > 0).length,
      doubtsTold: stories.reduce((sum, { doubts }) => sum + doubts, 0),
      held: stories.filter(({ type }) => type === 'held').length,
      ...most,
      delays: submitted.flatMap((one) => delayOf(one, first)),
      highDelays: submitted.filter(({ high }) => high).flatMap((one) => delayOf(one, first)),
    };
  }
}

/** Nothing more will come of it by itself. */
const isEnd = (type: string, reason: string): boolean =>
  terminal.has(type) || (type === 'held' && reason === 'notFound');

interface Known {
  readonly rejected: ReadonlySet<string>;
  readonly refused: ReadonlySet<string>;
  /** A message that was in doubt may have arrived twice: its copy shows late or never. */
  readonly mayRepeat: boolean;
}

function judgeOne(
  { id, contents }: Submitted,
  arrivals: readonly Arrival[],
  story: Story | undefined,
  { rejected, refused, mayRepeat }: Known,
): readonly string[] {
  if (story === undefined) return [`lost: ${id} was never told to be accepted`];
  const found: string[] = [];
  const doubted = story.doubts > 0;
  const told = story.types.join(', ');
  const standing = contents.filter(({ sha256 }) => !rejected.has(sha256));
  if (standing.length !== 1)
    found.push(`identity: of ${contents.length} contents of ${id}, ${standing.length} stand`);
  const [content] = standing;
  if (arrivals.some(({ subject }) => subject !== content?.subject))
    found.push(`identity: ${id} was sent with the content of another`);
  if (new Set(arrivals.map(({ attempt }) => attempt)).size < arrivals.length)
    found.push(`duplicate: one attempt of ${id} arrived twice`);
  const counts = new Map<string, number>();
  for (const arrival of arrivals)
    for (const address of arrival.recipients) counts.set(address, (counts.get(address) ?? 0) + 1);
  if (!(doubted && mayRepeat) && [...counts.values()].some((count) => count > 1))
    found.push(
      `duplicate: ${id} was sent twice ${doubted ? 'though its copy showed' : 'and never in doubt'} (${told})`,
    );
  if (!isEnd(story.type, story.reason)) {
    const kind = arrivals.length === 0 && !doubted ? 'lost' : 'stuck';
    found.push(`${kind}: ${id} has no end after all faults are over (${told} ${story.reason})`);
    return found;
  }
  for (const address of content?.recipients ?? []) {
    const outcome = story.outcomes.find((one) => one.address === address)?.outcome;
    const count = counts.get(address) ?? 0;
    if (outcome === 'sent' && count === 0 && arrivals.length > 0 && refused.has(`${id} ${address}`))
      found.push(`lost: a recipient of ${id} was refused and is told sent (${told})`);
    else if (outcome === 'sent' && count === 0)
      found.push(`lost: ${id} is told sent and did not arrive (${told})`);
    else if (outcome !== 'sent' && count > 0 && !doubted)
      found.push(`told wrong: ${id} arrived and is told ${outcome ?? 'nothing'} (${told})`);
    else if (story.type === 'sent' && outcome !== 'sent' && outcome !== 'failed')
      found.push(`lost: a recipient of ${id} is forgotten as ${outcome ?? 'nothing'} (${told})`);
  }
  if (story.type === 'held' && !doubted) found.push(`stuck: ${id} is held and never was in doubt`);
  return found;
}

const periodMs = 60_000;
const dayMs = 86_400_000;

/** The most in any half-open span, by the server's own log. */
function mostOf(
  arrivals: readonly Arrival[],
  limitsOf: (account: string) => { readonly messagesPerMinute: number; readonly recipientsPerDay: number },
  say: (violation: string) => void,
): { readonly mostInAnyPeriod: number; readonly mostRecipientsInAnyDay: number } {
  let mostInAnyPeriod = 0;
  let mostRecipientsInAnyDay = 0;
  for (const account of new Set(arrivals.map((one) => one.account))) {
    const mine = arrivals.filter((one) => one.account === account);
    const minute = mostWithin(mine, periodMs, () => 1);
    const day = mostWithin(mine, dayMs, ({ recipients }) => recipients.length);
    const { messagesPerMinute, recipientsPerDay } = limitsOf(account);
    if (minute > messagesPerMinute) say(`limit: ${minute} in 60 s where ${messagesPerMinute} are allowed`);
    if (day > recipientsPerDay) say(`limit: ${day} recipients in 24 h where ${recipientsPerDay} are allowed`);
    mostInAnyPeriod = Math.max(mostInAnyPeriod, minute);
    mostRecipientsInAnyDay = Math.max(mostRecipientsInAnyDay, day);
  }
  return { mostInAnyPeriod, mostRecipientsInAnyDay };
}

/** Arrivals are in the order of time. */
function mostWithin(
  arrivals: readonly Arrival[],
  spanMs: number,
  weigh: (arrival: Arrival) => number,
): number {
  let sum = 0;
  let most = 0;
  let oldest = 0;
  for (const arrival of arrivals) {
    sum += weigh(arrival);
    for (
      let first = arrivals[oldest];
      first !== undefined && first.at <= arrival.at - spanMs;
      first = arrivals[oldest]
    ) {
      sum -= weigh(first);
      oldest += 1;
    }
    most = Math.max(most, sum);
  }
  return most;
}
