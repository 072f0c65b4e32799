// Which parts of a mail become files of the card, under which names. Pure.
import type { NoticePart, WholeNotice } from '../../contract/notice.ts';
import { boundedText } from '../../mail/text.ts';
import type { IncomingRule } from '../mapping.ts';

export interface CardFile {
  readonly attribute: string;
  readonly name: string;
  /** `container/name`. */
  readonly blob: string;
  readonly sizeBytes: number;
}

/** A picture in a signature rather than an attachment. */
const signatureBytes = 20_000;
const nameCharacters = 150;
const fileCount = 50;

export interface FilePlan {
  readonly files: readonly CardFile[];
  /** What is not uploaded and why. */
  readonly remarks: readonly string[];
}

/** `isRawKept` adds the mail as it came, named by its id, so that it is on the card once. */
export function planFiles(notice: WholeNotice, rule: IncomingRule, isRawKept: boolean): FilePlan {
  const files: CardFile[] = [];
  const remarks: string[] = [];
  const { files: attribute, raw } = rule.attributes;
  if (isRawKept && raw !== undefined)
    files.push({
      attribute: raw,
      name: rawNameOf(notice.id),
      blob: notice.raw.blob,
      sizeBytes: notice.raw.sizeBytes,
    });
  for (const part of notice.parts) {
    if (part.disposition === 'inline' && part.contentId !== '' && part.sizeBytes < signatureBytes) continue;
    const name = fileNameOf(part);
    const refusal = refusalOf(part, name, rule);
    if (refusal !== undefined) remarks.push(`${name} ${refusal}`);
    else if (attribute === undefined)
      remarks.push(`${name} is in the mail; no attribute for files is mapped`);
    else if (files.length >= fileCount) remarks.push(`${name} is not uploaded: more than ${fileCount} files`);
    else files.push({ attribute, name, blob: part.blob, sizeBytes: part.sizeBytes });
  }
  return { files, remarks };
}

export const rawNameOf = (noticeId: string): string => `mail-${noticeId}.eml`;

function refusalOf({ contentType, role }: NoticePart, name: string, rule: IncomingRule): string | undefined {
  const extension = /\.([a-z0-9]{1,10})$/i.exec(name)?.[1]?.toLowerCase() ?? '';
  if (rule.blockedExtensions.includes(extension)) return `is not uploaded: .${extension} is blocked`;
  if (extension === 'rpmsg' || /rights-management|x-microsoft-rpmsg/i.test(contentType))
    return 'is a protected message: only its recipient can open it, in Outlook';
  if (extension === 'p7m' || /pkcs7-mime/i.test(contentType))
    return 'is encrypted or signed (S/MIME): open the mail in the mailbox';
  if (role === 'tnef') return 'is Outlook’s own format (winmail.dat): ask the sender for another';
  return undefined;
}

const extensions: Readonly<Record<NoticePart['role'], string>> = {
  file: 'bin',
  calendar: 'ics',
  message: 'eml',
  tnef: 'dat',
};

/** A plain name with an extension, which ESM needs. */
function fileNameOf({ filename, role }: NoticePart): string {
  const plain = boundedText(filename.replace(/[\\/:*?"<>|]/g, '_'), nameCharacters).replace(/^\.+/, '');
  if (plain === '') return `attachment.${extensions[role]}`;
  return /\.\w{1,10}$/.test(plain) ? plain : `${plain}.${extensions[role]}`;
}
