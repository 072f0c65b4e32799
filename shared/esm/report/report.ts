// What became of a mail, onto the card that it belongs to. Policy:
//
// - Only what the rule names is written, by default the ends that a person has to know of: each save runs ESM's listeners.
// - A status follows the sequence: an event that is not above the last written one changes nothing.
// - One worker at a time writes to a card. The row says before a comment that it is begun; one whose answer was lost is
//   looked for by its marker.
// - An event of no card is done without a call.
import { z } from 'zod';
import { sha256 } from '../../mail/fingerprint.ts';
import { esmEvents } from '../../telemetry/esmEvents.ts';
import { withCard } from '../cardLease.ts';
import { addValue, editCard } from '../client/cards.ts';
import type { EsmAnswer, EsmFailure } from '../client/failure.ts';
import { cardOf } from '../correlation.ts';
import { waitFor, type EsmDependencies, type Handled, type Wait } from '../dependencies.ts';
import { findComment, stillOpen } from '../deliver/doubt.ts';
import type { FixedValue, ReportRule } from '../mapping.ts';
import { waitAt } from '../waitAt.ts';
import { eventMarkerOf, reportText, type StatusNotice } from './statusNotice.ts';

const columns = z.object({
  /** Of the last event that is on the card. */
  sequence: z.number().default(0),
  /** A comment of this event was begun at `writeAt` (UTC ms). */
  begun: z.string().default(''),
  writeAt: z.number().default(0),
  tryCount: z.number().default(0),
});

interface Reported {
  readonly event: StatusNotice;
  readonly rule: ReportRule;
  readonly cardId: string;
  readonly submissionId: string;
}

/** Throws StorageTrouble. */
export async function report(event: StatusNotice, dependencies: EsmDependencies): Promise<Handled> {
  const { connector, clock, log, numbers } = dependencies;
  const { submissionId = '', correlation, sequence = 0 } = event.data;
  const card = cardOf(correlation);
  const [only, ...others] = connector.report;
  const rule =
    card?.template === undefined
      ? others.length === 0
        ? only
        : undefined
      : connector.report.find(({ template }) => template === card.template);
  if (card === undefined || rule === undefined || !isWritten(event, rule)) return { kind: 'done' };
  const at = { template: rule.template, cardId: card.cardId };
  let tryCount = 0;
  const wait = await withCard(at, dependencies, async () => {
    const row = await readRow(event, dependencies);
    ({ tryCount } = row.columns);
    return write({ event, rule, cardId: card.cardId, submissionId }, row, dependencies);
  });
  if (wait === undefined) {
    log(esmEvents.reported({ submissionId, type: event.type, sequence }));
    return { kind: 'done' };
  }
  const next = waitAt(wait, tryCount, { clock, numbers });
  if (wait.isPlanned !== true) {
    const { etag } = await readRow(event, dependencies);
    await dependencies.rows.write(partition, keyOf(event), { etag, fields: { tryCount: next.tryCount } });
    const { reason, detail } = wait;
    const delayMs = next.at - clock.now();
    log(
      esmEvents.reportDeferred({
        submissionId,
        type: event.type,
        reason,
        detail,
        tryCount: next.tryCount,
        delayMs,
      }),
    );
  }
  return { kind: 'later', at: next.at };
}

const partition = 'event';

/** A rejected submission has no sequence, and perhaps another's id: the event is its own. */
const keyOf = ({ id, type, data }: StatusNotice): string =>
  sha256(type === 'mail.rejected' ? id : (data.submissionId ?? id));

interface Row {
  readonly etag: string | undefined;
  readonly columns: z.output<typeof columns>;
}

async function readRow(event: StatusNotice, { rows }: Pick<EsmDependencies, 'rows'>): Promise<Row> {
  const found = await rows.read(partition, keyOf(event));
  return { etag: found?.etag, columns: columns.parse(found?.fields ?? {}) };
}

const hasComment = ({ type }: StatusNotice, { comment }: ReportRule): boolean =>
  type === 'mail.rejected' || comment.some((one) => one === type);

/** The value of the status attribute for this event, if one is mapped. */
const statusFor = ({ type }: StatusNotice, { status }: ReportRule): FixedValue | undefined =>
  Object.entries(status?.values ?? {}).find(([name]) => name === type)?.[1];

const isWritten = (event: StatusNotice, rule: ReportRule): boolean =>
  hasComment(event, rule) || statusFor(event, rule) !== undefined;

/** Within the card's lease. */
async function write(
  { event, rule, cardId }: Reported,
  row: Row,
  dependencies: EsmDependencies,
): Promise<Wait | undefined> {
  const { esm, rows, clock, log } = dependencies;
  const { sequence = 1 } = event.data;
  const outcomeOf = (answer: EsmAnswer<unknown>, attribute: string): Wait | undefined => {
    if (answer.kind === 'ok') return undefined;
    if (!isFinal.has(answer.reason)) return waitFor(answer);
    log(esmEvents.attributeRefused({ template: rule.template, attribute, detail: answer.detail }));
    return undefined;
  };
  if (sequence <= row.columns.sequence) return undefined;
  const { status, template, internal } = rule;
  const value = statusFor(event, rule);
  if (status !== undefined && value !== undefined) {
    const answer = await editCard(esm, template, { cardId, data: { [status.attribute]: [value] } });
    const wait = outcomeOf(answer, status.attribute);
    if (wait !== undefined) return wait;
    if (answer.kind === 'ok')
      for (const { attribute, detail } of answer.value.refused)
        log(esmEvents.attributeRefused({ template, attribute, detail }));
  }
  let { etag } = row;
  if (hasComment(event, rule)) {
    const at = { template, cardId, attribute: internal, marker: eventMarkerOf(event) };
    const isBegun = row.columns.begun === event.id;
    const found = isBegun ? await findComment(at, dependencies) : { kind: 'absent' as const };
    if (found.kind === 'wait') return found;
    const open =
      isBegun && found.kind === 'absent' ? stillOpen(row.columns.writeAt, dependencies) : undefined;
    if (open !== undefined) return open;
    if (found.kind === 'absent') {
      const begun = await rows.write(partition, keyOf(event), {
        etag,
        fields: { begun: event.id, writeAt: clock.now() },
      });
      if (begun.kind === 'conflict') return overtaken;
      ({ etag } = begun);
      const answer = await addValue(esm, template, {
        cardId,
        attribute: internal,
        value: { value: reportText(event) },
      });
      if (answer.kind === 'failure' && answer.reason === 'unavailable')
        await rows.write(partition, keyOf(event), { etag, fields: { begun: '', writeAt: 0 } });
      const wait = outcomeOf(answer, internal);
      if (wait !== undefined) return wait;
    }
  }
  const written = await rows.write(partition, keyOf(event), {
    etag,
    fields: { sequence, begun: '', tryCount: 0 },
  });
  return written.kind === 'conflict' ? overtaken : undefined;
}

/** A card that is gone, or doesn't take it, is the end of it; everything else is tried again. */
const isFinal: ReadonlySet<EsmFailure['reason']> = new Set(['missing', 'refused', 'tooLarge']);

const overtaken: Wait = {
  kind: 'wait',
  reason: 'busy',
  detail: 'another worker writes of the same mail',
  isPlanned: true,
};
