// The write that puts the mail's text onto a card. Before it the ledger row says what is begun, after it what is done.
import { esmEvents } from '../../telemetry/esmEvents.ts';
import { addValue, createCard } from '../client/cards.ts';
import type { EsmAnswer } from '../client/failure.ts';
import { uploadFile } from '../client/files.ts';
import { waitFor, type EsmDependencies, type Wait } from '../dependencies.ts';
import type { NoticeEntry } from '../noticeEntry.ts';
import { rawNameOf } from './attachments.ts';
import { addressOf, commentOf, senderOf } from './comment.ts';
import { isPersonal, refusalRemark, type Delivery } from './delivery.ts';
import { findOwnCard } from './doubt.ts';
import { finish, planOf } from './finish.ts';
import { newCardData } from './newCard.ts';
import { findPerson } from './person.ts';
import { countNewCard } from './senderRate.ts';
import { isParty, type Target } from './target.ts';
import { countFiles } from './upload.ts';

/** After so many refusals a right that is missing is taken for one of this card alone. */
const deniedCount = 3;

/** The card is this worker's until the answer. */
export async function placeOnCard(
  delivery: Delivery,
  { card, by }: Extract<Target, { readonly kind: 'card' }>,
  dependencies: EsmDependencies,
): Promise<Wait | undefined> {
  const { notice, rule, entry } = delivery;
  const { connector } = dependencies;
  // The event mail.bounced brings it onto the card, too.
  const isReported =
    notice.kind === 'bounce' &&
    connector.report.some(
      ({ template, comment }) => template === rule.template && comment.includes('mail.bounced'),
    );
  if (isReported) return ignore(entry);
  let isStranger = false;
  if (by === 'subject') {
    if (!isPersonal(notice)) return ignore(entry);
    const address = addressOf(notice);
    const person = await findPerson(address, rule, dependencies);
    if (person.kind === 'failure') return waitFor(person);
    const cardId = person.kind === 'person' ? { cardId: person.cardId } : {};
    isStranger = !isParty(card, rule, { address, ...cardId });
    if (isStranger && rule.stranger === 'newCard') {
      const remark = `the subject names card ${card.dataCardId}, of which the sender is no party`;
      return placeOnNewCard(delivery, { remark }, dependencies);
    }
  }
  const where = attributeFor(delivery, isStranger);
  if (where === undefined) return ignore(entry);
  await entry.save({
    state: 'commenting',
    template: rule.template,
    cardId: card.dataCardId,
    isNewCard: false,
    attribute: where,
    writeAt: dependencies.clock.now(),
    statusSet: isStranger || notice.kind !== 'message',
    fileCounts: countFiles(card, planOf(delivery)),
  });
  const warning = isStranger
    ? `The sender is no party of this card: ${senderOf(notice)} wrote its id into the subject.`
    : undefined;
  const answer = await write(delivery, { cardId: card.dataCardId, attribute: where, warning }, dependencies);
  if (answer.kind === 'ok') {
    await entry.save({ state: 'placed', writeAt: 0 });
    return finish(delivery, dependencies);
  }
  if (answer.reason === 'inDoubt') return waitFor(answer);
  const isHopeless =
    answer.reason !== 'unavailable' && (answer.reason !== 'denied' || entry.now.tryCount >= deniedCount);
  await entry.save({ state: 'new', writeAt: 0, avoidCard: isHopeless && isPersonal(notice) });
  return waitFor(answer);
}

/** Where the mail goes on a card that exists; undefined if nothing is mapped for it. */
function attributeFor({ notice, rule }: Delivery, isStranger: boolean): string | undefined {
  const { attributes } = rule;
  if (isStranger || !isPersonal(notice)) return attributes.internal;
  return rule.deliverInto === 'mail' ? attributes.raw : attributes.comments;
}

function write(
  { notice, rule, text }: Delivery,
  at: { readonly cardId: string; readonly attribute: string; readonly warning: string | undefined },
  { esm, clock, contents, random }: EsmDependencies,
): Promise<EsmAnswer<undefined>> {
  const { cardId, attribute, warning } = at;
  if (attribute === rule.attributes.raw)
    return uploadFile(
      esm,
      rule.template,
      { cardId, attribute },
      { name: rawNameOf(notice.id), boundary: random.id(), open: () => contents.open(notice.raw.blob) },
    );
  const value = commentOf(notice, text.text, clock.now(), warning);
  return addValue(esm, rule.template, { cardId, attribute, value: { value } });
}

export async function placeOnNewCard(
  delivery: Delivery,
  { refersTo, remark }: { readonly refersTo?: string | undefined; readonly remark?: string | undefined },
  dependencies: EsmDependencies,
): Promise<Wait | undefined> {
  const { notice, rule, entry, text } = delivery;
  const { esm, clock } = dependencies;
  if (!isPersonal(notice)) return ignore(entry);
  const own = await findOwnCard(notice.id, rule, dependencies);
  if (own.kind === 'wait') return own;
  if (own.kind === 'found') {
    await takeUpOwnCard(delivery, own.value);
    return finish(delivery, dependencies);
  }
  const address = addressOf(notice);
  const full = await countNewCard(address, rule.newCardsPerMinute, dependencies);
  if (full !== undefined) return full;
  const person =
    rule.attributes.person === undefined ? undefined : await findPerson(address, rule, dependencies);
  if (person?.kind === 'failure') return waitFor(person);
  const remarks = [
    ...(remark === undefined ? [] : [remark]),
    ...(person?.kind === 'none' ? [person.remark] : []),
  ];
  await entry.save({
    state: 'creating',
    template: rule.template,
    cardId: '',
    isNewCard: true,
    writeAt: clock.now(),
    statusSet: true,
    fileCounts: countFiles(undefined, planOf(delivery)),
    ...entry.withRemarks(...remarks),
  });
  const data = newCardData(notice, rule, {
    text: text.text,
    now: clock.now(),
    ...(person?.kind === 'person' ? { personId: person.cardId } : {}),
    ...(refersTo === undefined ? {} : { refersTo }),
  });
  const answer = await createCard(esm, rule.template, { folder: rule.folder, data });
  if (answer.kind === 'ok') {
    const { cardId, refused } = answer.value;
    for (const { attribute, detail } of refused)
      dependencies.log(esmEvents.attributeRefused({ template: rule.template, attribute, detail }));
    await entry.save({
      state: 'placed',
      cardId,
      writeAt: 0,
      ...entry.withRemarks(...refused.map(refusalRemark)),
    });
    return finish(delivery, dependencies);
  }
  if (answer.reason !== 'inDoubt') await entry.save({ state: 'new', writeAt: 0 });
  return waitFor(answer);
}

/** An earlier try made this card, with its status in the same request. */
export const takeUpOwnCard = ({ entry, rule }: Delivery, cardId: string): Promise<void> =>
  entry.save({
    state: 'placed',
    template: rule.template,
    cardId,
    isNewCard: true,
    statusSet: true,
    writeAt: 0,
  });

async function ignore(entry: NoticeEntry): Promise<undefined> {
  await entry.save({ state: 'ignored', claimUntil: 0 });
  return undefined;
}
