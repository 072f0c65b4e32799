// One incoming mail onto its card. Policy:
//
// 1. The notice's ledger row is claimed; a row that is final ends it without a call.
// 2. A write of an earlier try whose answer was lost is looked for first (doubt.ts).
// 3. The card is found: by the submission that the mail answers, else by an id in its subject (target.ts).
// 4. No such card: our id is looked for, since another try may have made one; then the card is made, with everything
//    that ESM's acknowledgement needs in the same request.
// 5. A card: one worker at a time, a comment. Who is no party of it gets a new card or a marked internal comment.
// 6. Files, status and remarks follow, each noted before it is begun.
//
// Only a person's mail makes a card or changes a status; automatic replies, receipts and complaints become internal
// comments of a card that is known, or nothing. Whatever ESM refuses of a card is a remark on it and undoes nothing.
import type { WholeNotice } from '../../contract/notice.ts';
import { sameAddress } from '../../mail/address.ts';
import { accountKey } from '../../mail/accountKey.ts';
import { sha256 } from '../../mail/fingerprint.ts';
import { esmEvents } from '../../telemetry/esmEvents.ts';
import { waitFor, type EsmDependencies, type Handled, type Wait } from '../dependencies.ts';
import { claimNotice, ClaimLost } from '../noticeEntry.ts';
import { waitAt } from '../waitAt.ts';
import { markerOf } from './comment.ts';
import { rawNameOf } from './attachments.ts';
import { readMailText } from './content.ts';
import type { Delivery } from './delivery.ts';
import { findComment, findOwnCard, stillOpen } from './doubt.ts';
import { finish } from './finish.ts';
import { placeOnCard, placeOnNewCard, takeUpOwnCard } from './place.ts';
import { findTarget } from './target.ts';
import { withCard } from '../cardLease.ts';

/** Throws StorageTrouble: the host then gives the message back. */
export async function deliver(notice: WholeNotice, dependencies: EsmDependencies): Promise<Handled> {
  const { connector, clock, log, numbers } = dependencies;
  const mailbox = sha256(accountKey(notice.mailbox)).slice(0, 16);
  const rule = connector.incoming.find(({ mailboxes }) =>
    mailboxes.some((address) => sameAddress(address, notice.mailbox)),
  );
  if (rule === undefined) {
    log(esmEvents.unmapped({ mailbox, id: notice.id }));
    return { kind: 'done' };
  }
  const claim = await claimNotice({ partition: `in|${mailbox}`, id: notice.id }, dependencies);
  if (claim.kind === 'final') return { kind: 'done' };
  if (claim.kind === 'busy') return { kind: 'later', at: claim.until };
  const { entry } = claim;
  try {
    const text = await readMailText(notice, dependencies);
    const wait = await advance({ notice, rule, entry, text }, dependencies);
    if (wait === undefined) {
      const { state, isNewCard, fileCount } = entry.now;
      const result = state === 'ignored' ? 'ignored' : isNewCard ? 'newCard' : 'comment';
      log(
        esmEvents.delivered({
          mailbox,
          id: notice.id,
          kind: notice.kind,
          result,
          fileCount,
          remarkCount: entry.remarks.length,
        }),
      );
      return { kind: 'done' };
    }
    const { at, tryCount } = waitAt(wait, entry.now.tryCount, { clock, numbers });
    await entry.save({ claimUntil: 0, tryCount, detail: wait.detail.slice(0, 500) });
    if (wait.isPlanned !== true)
      log(
        esmEvents.deliveryDeferred({
          mailbox,
          id: notice.id,
          reason: wait.reason,
          detail: wait.detail,
          tryCount,
          delayMs: at - clock.now(),
        }),
      );
    return { kind: 'later', at };
  } catch (error) {
    if (error instanceof ClaimLost) return { kind: 'later', at: clock.now() + numbers.firstDelayMs };
    throw error;
  }
}

async function advance(delivery: Delivery, dependencies: EsmDependencies): Promise<Wait | undefined> {
  const { entry, rule, notice } = delivery;
  const doubt = await settle(delivery, dependencies);
  if (doubt !== undefined) return doubt;
  if (entry.now.state === 'placed') {
    const rest = (): Promise<Wait | undefined> => finish(delivery, dependencies);
    return entry.now.isNewCard ? rest() : withCard(entry.now, dependencies, rest);
  }
  const target = await findTarget(notice, rule, dependencies);
  if (target.kind === 'failure') return waitFor(target);
  if (target.kind === 'card' && !entry.now.avoidCard) {
    const { card } = target;
    return withCard({ template: rule.template, cardId: card.dataCardId }, dependencies, () =>
      placeOnCard(delivery, target, dependencies),
    );
  }
  const refersTo = target.kind === 'card' ? target.card.dataCardId : target.refersTo;
  const remark =
    target.kind === 'card' ? 'the mail could not be written to the card that it names' : target.remark;
  return placeOnNewCard(delivery, { refersTo, remark }, dependencies);
}

/** Ends `creating` and `commenting`: afterwards the state is `new` or `placed`. */
async function settle(delivery: Delivery, dependencies: EsmDependencies): Promise<Wait | undefined> {
  const { entry, rule, notice } = delivery;
  const { state, template, cardId, attribute, writeAt } = entry.now;
  if (state === 'creating') {
    const own = await findOwnCard(notice.id, rule, dependencies);
    if (own.kind === 'wait') return own;
    if (own.kind === 'found') {
      await takeUpOwnCard(delivery, own.value);
      return undefined;
    }
  } else if (state === 'commenting') {
    const isFile = attribute === rule.attributes.raw;
    const marker = isFile ? rawNameOf(notice.id) : markerOf(notice.id);
    const comment = await findComment({ template, cardId, attribute, marker }, dependencies);
    if (comment.kind === 'wait') return comment;
    if (comment.kind === 'found') {
      await entry.save({ state: 'placed', writeAt: 0 });
      return undefined;
    }
  } else return undefined;
  const open = stillOpen(writeAt, dependencies);
  if (open === undefined) await entry.save({ state: 'new', writeAt: 0 });
  return open;
}
