// Which submission of ours a message belongs to.
//
// The strongest evidence is the private header of the returned copy with its keyed tag: only the bridge can make that.
// Everything else (a Message-ID that the message refers to) can be written by anybody who has seen our mail, so such a
// relation is marked as unverified and never does more than annotate.
import type { Classification } from '../contract/classification.ts';
import type { Relation } from '../contract/notice.ts';
import type { SenderLimit, SentMessage } from '../contract/sentMessage.ts';
import { concernsRecipient } from '../classify/ownExchange.ts';
import type { ParsedMail } from './parsedMail.ts';
import type { SentMessages } from './ports.ts';

export interface Related {
  readonly relation: Relation | undefined;
  /** What a reader should know: a tag that is wrong. */
  readonly remarks: readonly string[];
}

/** At most this many Message-IDs of one message are looked up, the better evidence first. */
const lookupLimit = 18;

export async function relate(
  found: Classification,
  mail: Pick<ParsedMail, 'inReplyTo' | 'references'>,
  sent: SentMessages,
  receivedBy: string,
): Promise<Related> {
  const { bridgeId, bridgeTag, messageId } = found.returned;
  const returnedIds = messageId === undefined ? [] : [messageId];
  const remarks: string[] = [];
  if (bridgeId !== undefined) {
    if (bridgeTag !== undefined && (await sent.checkTag(bridgeId, bridgeTag))) {
      const known = await sent.lookUpSent({ bridgeId, messageIds: returnedIds, receivedBy });
      if (known !== undefined) {
        // Every recipient has the tag: it proves that the returned text is ours, not that the report is about us.
        const concerned = found.bounce === undefined || concernsRecipient(found.bounce, known.recipients);
        if (!concerned) remarks.push('It reports no recipient of the submission that it returns.');
        return { relation: { ...relationOf(known, 'privateHeader'), verified: concerned }, remarks };
      }
    } else {
      remarks.push('It claims to return a message of ours, but the keyed tag is missing or wrong.');
    }
  }
  const evidence: readonly (readonly [Relation['by'], readonly string[]])[] = [
    ['returnedMessageId', returnedIds],
    ['inReplyTo', mail.inReplyTo],
    // The nearest ancestor is last (RFC 5322 3.6.4).
    ['references', mail.references.toReversed()],
  ];
  const messageIds = evidence.flatMap(([, ids]) => ids).slice(0, lookupLimit);
  const known = messageIds.length === 0 ? undefined : await sent.lookUpSent({ messageIds, receivedBy });
  const by = evidence.find(([, ids]) => ids.includes(known?.byMessageId ?? ''))?.[0];
  if (known !== undefined && by !== undefined) return { relation: relationOf(known, by), remarks };
  return { relation: undefined, remarks };
}

function relationOf({ submissionId, mailbox, correlation }: SentMessage, by: Relation['by']): Relation {
  return { submissionId, mailbox, correlation, by, verified: by === 'privateHeader' };
}

/** Limits of the sending side that Exchange reports by a bounce (its NDR catalogue; exchange limits page). */
export function senderLimit(found: Classification): SenderLimit | undefined {
  for (const { status, diagnostic } of found.bounce?.recipients ?? []) {
    if (status === '5.1.90' || /submissionquotaexceeded|submission quota exceeded/i.test(diagnostic)) {
      return 'recipientsPerDay';
    }
    if (status === '5.7.232' || status === '5.7.233') return 'tenantLimit';
    if (/^5\.7\.(?:50[123]|511|705|708|750)$/.test(status)) return 'senderBlocked';
    if (status === '5.1.8' && /outbound sender/i.test(diagnostic)) return 'senderBlocked';
  }
  return undefined;
}
