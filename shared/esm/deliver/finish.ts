// What follows once the mail's text is on its card: files, status, remarks. Each is noted before it is begun.
import { esmEvents } from '../../telemetry/esmEvents.ts';
import { addValue, editCard } from '../client/cards.ts';
import { waitFor, type EsmDependencies, type Wait } from '../dependencies.ts';
import { planFiles, type FilePlan } from './attachments.ts';
import { remarksMarkerOf, remarksOf } from './comment.ts';
import { findComment, stillOpen } from './doubt.ts';
import { fixedData } from './newCard.ts';
import { isPersonal, refusalRemark, type Delivery } from './delivery.ts';
import { uploadFiles } from './upload.ts';

/** The same each time: from the notice and its rule alone. */
export function planOf({ notice, rule, text, entry }: Delivery): FilePlan {
  const { raw } = rule.attributes;
  const isWritten = !entry.now.isNewCard && rule.deliverInto === 'mail';
  const isKept =
    rule.keepRaw === 'always' ||
    notice.kind === 'unparsed' ||
    (rule.keepRaw === 'whenRicher' && text.isRich) ||
    (rule.deliverInto === 'mail' && entry.now.isNewCard);
  return planFiles(notice, rule, raw !== undefined && isKept && !isWritten);
}

export async function finish(delivery: Delivery, dependencies: EsmDependencies): Promise<Wait | undefined> {
  const { entry, notice } = delivery;
  // Files of machines' mail are reports about mail.
  if (isPersonal(notice)) {
    const plan = planOf(delivery);
    const wait = await uploadFiles(entry, plan, dependencies);
    if (wait !== undefined) return wait;
  }
  return (await setStatus(delivery, dependencies)) ?? (await remark(delivery, dependencies));
}

/** Setting it twice is setting it once. */
async function setStatus(delivery: Delivery, { esm, log }: EsmDependencies): Promise<Wait | undefined> {
  const { entry, rule } = delivery;
  const { template, cardId, statusSet } = entry.now;
  if (statusSet || Object.keys(rule.onReply).length === 0) return undefined;
  const answer = await editCard(esm, template, { cardId, data: fixedData(rule.onReply) });
  if (answer.kind === 'failure' && (answer.reason === 'unavailable' || answer.reason === 'inDoubt'))
    return waitFor(answer);
  const refusals =
    answer.kind === 'ok'
      ? answer.value.refused
      : [{ attribute: Object.keys(rule.onReply).join(', '), detail: answer.detail }];
  for (const { attribute, detail } of refusals)
    log(esmEvents.attributeRefused({ template, attribute, detail }));
  await entry.save({ statusSet: true, ...entry.withRemarks(...refusals.map(refusalRemark)) });
  return undefined;
}

/** One internal comment with everything a person should know; then the notice is done. */
async function remark(delivery: Delivery, dependencies: EsmDependencies): Promise<Wait | undefined> {
  const { entry, rule, notice } = delivery;
  const { esm, clock } = dependencies;
  const { template, cardId, remarked } = entry.now;
  const remarks = [...new Set([...entry.remarks, ...planOf(delivery).remarks, ...notice.remarks])];
  const attribute = rule.attributes.internal;
  if (remarks.length > 0 && attribute !== undefined && remarked !== 'yes') {
    const marker = remarksMarkerOf(notice.id);
    if (remarked === 'begun') {
      const found = await findComment({ template, cardId, attribute, marker }, dependencies);
      if (found.kind === 'wait') return found;
      const open = found.kind === 'absent' ? stillOpen(entry.now.writeAt, dependencies) : undefined;
      if (open !== undefined) return open;
      if (found.kind === 'found') return done(delivery);
    }
    await entry.save({ remarked: 'begun', writeAt: clock.now() });
    const value = remarksOf(notice.id, remarks);
    const answer = await addValue(esm, template, { cardId, attribute, value: { value } });
    if (answer.kind === 'failure' && answer.reason === 'inDoubt') return waitFor(answer);
    if (answer.kind === 'failure' && answer.reason === 'unavailable') {
      await entry.save({ remarked: 'no', writeAt: 0 });
      return waitFor(answer);
    }
  }
  return done(delivery);
}

async function done({ entry }: Delivery): Promise<undefined> {
  await entry.save({ state: 'done', remarked: 'yes', writeAt: 0, claimUntil: 0 });
  return undefined;
}
