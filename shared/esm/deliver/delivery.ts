// What the steps of a delivery share.
import type { WholeNotice } from '../../contract/notice.ts';
import type { RefusedAttribute } from '../client/answers.ts';
import type { IncomingRule } from '../mapping.ts';
import type { NoticeEntry } from '../noticeEntry.ts';
import type { MailText } from './content.ts';

export interface Delivery {
  readonly notice: WholeNotice;
  readonly rule: IncomingRule;
  /** The notice's row, claimed by this worker. */
  readonly entry: NoticeEntry;
  readonly text: MailText;
}

export const refusalRemark = ({ attribute, detail }: RefusedAttribute): string =>
  `ESM did not set ${attribute}: ${detail}`;

/** Written by a person, as far as can be told: not an automatic reply, a bounce, a receipt or a complaint. */
export const isPersonal = ({ kind }: WholeNotice): boolean => kind === 'message' || kind === 'unparsed';
