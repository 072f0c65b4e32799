// The text of a mail as a card shows it.
import type { NoticeContent, WholeNotice } from '../../contract/notice.ts';
import type { EsmDependencies } from '../dependencies.ts';
import { isRich, textCharacters } from './comment.ts';

export interface MailText {
  readonly text: string;
  /** HTML with tables or pictures: the text is not all of it. */
  readonly isRich: boolean;
}

/** What is read of a content that is a blob. */
const mostBytes = 1_048_576;

/** Plain text if the mail has it, else made from its HTML. Throws StorageTrouble. */
export async function readMailText(
  notice: WholeNotice,
  { contents, htmlToText }: Pick<EsmDependencies, 'contents' | 'htmlToText'>,
): Promise<MailText> {
  const read = async (content: NoticeContent | undefined): Promise<string> => {
    if (content === undefined) return '';
    if ('content' in content) return content.content;
    return (await contents.text(content.blob, mostBytes)) ?? '';
  };
  const [plain, html] = [await read(notice.text), await read(notice.html)];
  const text = plain.trim() === '' ? htmlToText(html) : plain;
  return {
    text: text.trim() === '' ? emptyTextOf(notice) : text.slice(0, 2 * textCharacters),
    isRich: isRich(html),
  };
}

const emptyTextOf = ({ kind }: WholeNotice): string =>
  kind === 'unparsed' ? '(the mail could not be read; the .eml has it as it came)' : '(no text)';
