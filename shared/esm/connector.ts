// The connector as its two queue triggers see it. An expected failure puts a copy of the queue message back, to be seen
// again later, and reports success: a trigger can't set its message's delay, and the host's own retries end in the poison
// queue after five minutes. A message that can't be read is thrown: it is kept there for a person.
import { noticeDataSchema, noticeSchema, type WholeNotice } from '../contract/notice.ts';
import { parseJson } from '../mail/foreign.ts';
import { asciiJson } from '../mail/text.ts';
import { esmEvents } from '../telemetry/esmEvents.ts';
import { deliver } from './deliver/deliver.ts';
import type { EsmDependencies, Handled } from './dependencies.ts';
import type { PutBack } from './ports.ts';
import { report } from './report/report.ts';
import { statusNoticeSchema, type StatusNotice } from './report/statusNotice.ts';

export interface Connector {
  /** Both take a queue message as the library hands it over, and throw for what the host is to retry. */
  deliverToEsm(payload: unknown): Promise<void>;
  reportToEsm(payload: unknown): Promise<void>;
}

/** What is read of a notice or an event that is a blob. */
const referenceBytes = 8 * 1_048_576;
/** A queue message can be hidden for seven days. */
const longestDelayMs = 6 * 86_400_000;

export function createConnector(dependencies: EsmDependencies & { readonly putBack: PutBack }): Connector {
  const { clock, putBack } = dependencies;
  const settle = async (queue: 'notices' | 'events', value: unknown, handled: Handled): Promise<void> => {
    if (handled.kind === 'done') return;
    const delayMs = Math.min(longestDelayMs, Math.max(1_000, handled.at - clock.now()));
    await putBack(queue, asciiJson(value), delayMs);
  };
  return {
    async deliverToEsm(payload) {
      const value = valueOf(payload);
      const notice = await readNotice(value, dependencies);
      await settle('notices', value, await deliver(notice, dependencies));
    },
    async reportToEsm(payload) {
      const value = valueOf(payload);
      const event = await readEvent(value, dependencies);
      await settle('events', value, await report(event, dependencies));
    },
  };
}

const valueOf = (payload: unknown): unknown => (typeof payload === 'string' ? parseJson(payload) : payload);

type Reading = Pick<EsmDependencies, 'contents' | 'log'>;

async function readNotice(value: unknown, dependencies: Reading): Promise<WholeNotice> {
  const parsed = noticeSchema.safeParse(value);
  if (!parsed.success) return unreadable('inbound-mail', parsed.error, dependencies);
  const { data } = parsed.data;
  if (!('reference' in data)) return data;
  const text = await dependencies.contents.text(data.reference.blob, referenceBytes);
  const whole = noticeDataSchema.safeParse(parseJson(text ?? ''));
  if (!whole.success) return unreadable('inbound-mail', whole.error, dependencies);
  if ('reference' in whole.data) throw new Error('a notice refers to a reference');
  return whole.data;
}

async function readEvent(value: unknown, dependencies: Reading): Promise<StatusNotice> {
  const parsed = statusNoticeSchema.safeParse(value);
  if (!parsed.success) return unreadable('mail-status', parsed.error, dependencies);
  const { whole } = parsed.data.data;
  if (whole === undefined) return parsed.data;
  const text = await dependencies.contents.text(whole.blob, referenceBytes);
  const read = statusNoticeSchema.safeParse(parseJson(text ?? ''));
  // The event itself says what happened; only its recipients are in the blob.
  return read.success ? read.data : parsed.data;
}

function unreadable(
  queue: string,
  {
    issues: [issue],
  }: { readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[] },
  { log }: Reading,
): never {
  const detail = `${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? ''}`;
  log(esmEvents.unreadable({ queue, detail }));
  throw new Error(`a message of ${queue} is not one of the bridge (${detail})`);
}
