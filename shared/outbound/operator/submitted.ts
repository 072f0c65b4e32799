// What was submitted, for a person who has a reason to see it.
import type { Dependencies } from '../dependencies.ts';
import type { Message } from '../records/message.ts';
import { decodeContent } from '../store/content.ts';

export interface SubmittedContent {
  readonly subject: string;
  /** The plain text, or the HTML as text if there is no other; at most 20,000 characters. */
  readonly text: string;
  /** Names of the attachments; of a complete message its blob. */
  readonly attachments: readonly string[];
}

const textCharacters = 20_000;

/** Undefined if the content is no longer kept. Throws StorageTrouble. */
export async function readSubmitted(
  { content }: Message,
  { contents }: Pick<Dependencies, 'contents'>,
): Promise<SubmittedContent | undefined> {
  if (content.length === 0) return undefined;
  const bytes = typeof content === 'string' ? await contents.get(content) : content;
  if (bytes === undefined) return undefined;
  const { submission } = decodeContent(bytes);
  if (submission.kind === 'raw') return { subject: '', text: '', attachments: [submission.blob] };
  return {
    subject: submission.subject,
    text: (submission.text ?? submission.html ?? '').slice(0, textCharacters),
    attachments: submission.attachments.map(({ filename }) => filename),
  };
}
