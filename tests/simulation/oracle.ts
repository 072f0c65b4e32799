// Judges a run. It knows what was submitted, and otherwise sees only what is visible from outside: the server's log, the
// status queue, the clock, and at the very end that the outbox is empty. Invariants I1 to I4, I7,
// I8, I10 and I12 of the failure catalogue; each violation is a sentence that begins with its kind.
import type { Blobs } from './store.ts';
import type { Arrival } from './server.ts';
import type { Submitted } from './traffic.ts';

interface Outcome {
  readonly address: string;
  readonly outcome: string;
}

interface History {
  /** Of the last new event. */
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
  /** Ids that were reported as in doubt at some time. */
  readonly inDoubt: number;
  readonly doubtsReported: number;
  /** Ids that end waiting for a person. */
  readonly held: number;
  readonly mostInAnyPeriod: number;
  readonly mostRecipientsInAnyDay: number;
  readonly delays: readonly number[];
  readonly highDelays: readonly number[];
}

const terminal: ReadonlySet<string> = new Set(['sent', 'failed', 'expired', 'cancelled']);
const mostNamed = 20;

/** The server's record. */
interface Evidence {
  readonly arrivals: readonly Arrival[];
  /** `id address` of every RCPT that was refused. */
  readonly refused: ReadonlySet<string>;
  /** Ids of messages that were refused for their content. */
  readonly blamed: ReadonlySet<string>;
}

export class Oracle {
  readonly #histories = new Map<string, History>();
  readonly #rejected = new Set<string>();
  readonly #violations: string[] = [];
  readonly #blobs: Blobs;
  #finished = 0;

  constructor(blobs: Blobs) {
    this.#blobs = blobs;
  }

  report(violation: string): void {
    if (this.#violations.length < mostNamed) this.#violations.push(violation);
  }

  /** Ids whose last event is final, or that wait for a person. */
  get finishedCount(): number {
    return this.#finished;
  }

  /** Reads an event from the status queue; returns its type without `mail.`. */
  observe(text: string): { readonly id: string; readonly type: string } {
    const event = JSON.parse(text) as {
      readonly type: string;
      readonly data: {
        readonly submissionId?: string;
        readonly sequence?: number;
        readonly reason?: string;
        readonly recipients?: readonly Outcome[];
        readonly whole?: { readonly blob: string };
        readonly content?: { readonly sha256: string };
      };
    };
    // A hold belongs to no submission.
    if (event.type.startsWith('mailbox.')) return { id: '', type: event.type };
    const type = event.type.replace(/^mail\./, '');
    const { submissionId: id = '', sequence = 0, reason = '', recipients, whole, content } = event.data;
    if (type === 'rejected') {
      this.#rejected.add(content?.sha256 ?? '');
      return { id, type };
    }
    const history = this.#histories.get(id) ?? {
      sequence: 0,
      type: '',
      reason: '',
      outcomes: [],
      doubts: 0,
      types: [],
    };
    this.#histories.set(id, history);
    if (sequence <= history.sequence) {
      if (history.types[sequence - 1] !== type)
        this.report(
          `order: ${id} event ${sequence} was ${history.types[sequence - 1] ?? ''} and is now ${type}`,
        );
      return { id, type };
    }
    if (sequence !== history.sequence + 1)
      this.report(`order: ${id} has event ${sequence} after ${history.sequence}`);
    if (history.type === 'sent') this.report(`order: ${id} has ${type} after sent`);
    const before = isEnd(history.type, history.reason);
    history.sequence = sequence;
    history.type = type;
    history.reason = reason;
    history.types[sequence - 1] = type;
    if (type === 'inDoubt') history.doubts += 1;
    if (recipients !== undefined) history.outcomes = recipients;
    else if (whole !== undefined) history.outcomes = this.#fetch(whole.blob);
    this.#finished += Number(isEnd(type, reason)) - Number(before);
    return { id, type };
  }

  /** `reference` is `container/name`, as ESM would read it. */
  #fetch(reference: string): readonly Outcome[] {
    const bytes = this.#blobs.get(reference.slice(reference.indexOf('/') + 1))?.bytes;
    if (bytes === undefined) {
      this.report(`missing: an event names the blob ${reference}, which is not there`);
      return [];
    }
    const event = JSON.parse(Buffer.from(bytes).toString()) as {
      readonly data: { readonly recipients?: readonly Outcome[] };
    };
    return event.data.recipients ?? [];
  }

  /** All checks at the end of the run. */
  judge(
    submitted: readonly Submitted[],
    { arrivals, refused, blamed }: Evidence,
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
      const history = this.#histories.get(one.id);
      byId.delete(one.id);
      const found = judgeOne(one, mine, history, {
        rejected: this.#rejected,
        refused,
        blamed,
        mayRepeat,
      });
      for (const violation of found) this.report(violation);
      if (found.some((detail) => detail.startsWith('lost:'))) lost += 1;
      if (found.some((detail) => detail.startsWith('duplicate:'))) unexplainedDuplicates += 1;
    }
    for (const id of byId.keys()) this.report(`unknown: ${id} arrived and was never submitted`);
    const most = mostOf(arrivals, limitsOf, (violation) => {
      this.report(violation);
    });
    const histories = [...this.#histories.values()];
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
      inDoubt: histories.filter(({ doubts }) => doubts > 0).length,
      doubtsReported: histories.reduce((sum, { doubts }) => sum + doubts, 0),
      held: histories.filter(({ type }) => type === 'held').length,
      ...most,
      delays: submitted.flatMap((one) => delayOf(one, first)),
      highDelays: submitted.filter(({ high }) => high).flatMap((one) => delayOf(one, first)),
    };
  }
}

/** No further change without an operator. */
const isEnd = (type: string, reason: string): boolean =>
  terminal.has(type) || (type === 'held' && reason === 'notFound');

interface Known {
  readonly rejected: ReadonlySet<string>;
  readonly refused: ReadonlySet<string>;
  readonly blamed: ReadonlySet<string>;
  /** A message that was in doubt may arrive twice: its copy appears late or never. */
  readonly mayRepeat: boolean;
}

function judgeOne(
  { id, contents }: Submitted,
  arrivals: readonly Arrival[],
  history: History | undefined,
  { rejected, refused, blamed, mayRepeat }: Known,
): readonly string[] {
  if (history === undefined) return [`lost: ${id} was never reported as accepted`];
  const found: string[] = [];
  const doubted = history.doubts > 0;
  const types = history.types.join(', ');
  const standing = contents.filter(({ sha256 }) => !rejected.has(sha256));
  if (standing.length !== 1)
    found.push(`identity: of ${contents.length} contents of ${id}, ${standing.length} are accepted`);
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
      `duplicate: ${id} was sent twice ${doubted ? 'although its copy appeared' : 'and never in doubt'} (${types})`,
    );
  if (!isEnd(history.type, history.reason)) {
    const kind = arrivals.length === 0 && !doubted ? 'lost' : 'stuck';
    found.push(`${kind}: ${id} has no final event after all faults are over (${types} ${history.reason})`);
    return found;
  }
  const isOwnFault =
    blamed.has(id) || (content?.recipients ?? []).some((address) => refused.has(`${id} ${address}`));
  if (history.type === 'failed' && history.reason === 'refused' && !isOwnFault)
    found.push(`deadLetter: ${id} failed, and neither it nor a recipient was at fault (${types})`);
  for (const address of content?.recipients ?? []) {
    const outcome = history.outcomes.find((one) => one.address === address)?.outcome;
    const count = counts.get(address) ?? 0;
    if (outcome === 'sent' && count === 0 && arrivals.length > 0 && refused.has(`${id} ${address}`))
      found.push(`lost: a recipient of ${id} was refused and is reported as sent (${types})`);
    else if (outcome === 'sent' && count === 0)
      found.push(`lost: ${id} is reported as sent and did not arrive (${types})`);
    else if (outcome !== 'sent' && count > 0 && !doubted)
      found.push(`misreported: ${id} arrived and is reported as ${outcome ?? 'nothing'} (${types})`);
    else if (history.type === 'sent' && outcome !== 'sent' && outcome !== 'failed')
      found.push(`lost: a recipient of ${id} is left as ${outcome ?? 'nothing'} (${types})`);
  }
  if (history.type === 'held' && !doubted) found.push(`stuck: ${id} is held and never was in doubt`);
  return found;
}

const periodMs = 60_000;
const dayMs = 86_400_000;

/** The most in any half-open span, by the server's own log. */
function mostOf(
  arrivals: readonly Arrival[],
  limitsOf: (account: string) => { readonly messagesPerMinute: number; readonly recipientsPerDay: number },
  report: (violation: string) => void,
): { readonly mostInAnyPeriod: number; readonly mostRecipientsInAnyDay: number } {
  let mostInAnyPeriod = 0;
  let mostRecipientsInAnyDay = 0;
  for (const account of new Set(arrivals.map((one) => one.account))) {
    const mine = arrivals.filter((one) => one.account === account);
    const minute = mostWithin(mine, periodMs, () => 1);
    const day = mostWithin(mine, dayMs, ({ recipients }) => recipients.length);
    const { messagesPerMinute, recipientsPerDay } = limitsOf(account);
    if (minute > messagesPerMinute) report(`limit: ${minute} in 60 s where ${messagesPerMinute} are allowed`);
    if (day > recipientsPerDay)
      report(`limit: ${day} recipients in 24 h where ${recipientsPerDay} are allowed`);
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
