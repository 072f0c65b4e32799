// The FETCH command: one message after the other goes out, each from where it lies, and between any two of them
// the session may end, the folder may change or a fault rule may apply.
import type { ImapQuirks } from './quirks.ts';
import { contentFor } from './imapContent.ts';
import { answer, parseItems } from './imapFetch.ts';
import type { AnswerPiece, Item } from './imapFetch.ts';
import { argumentError, messagesGone } from './imapOutcome.ts';
import { parseSet, textOf } from './imapSyntax.ts';
import type { Token } from './imapSyntax.ts';
import type { View } from './imapView.ts';
import type { StoredMessage } from './mailStore.ts';
import type { Wire } from './wire.ts';

// Literals up to this size are written together with the rest of their answer.
const inlineLiteralBytes = 64 * 1024;
const unreadableAnswer = 'NO The requested message could not be converted to an RFC-822 compatible format.';

/** The effect of fault rules on one message: none, a tagged answer, a closed connection, or a cut. */
export type MessageCourse =
  | { readonly kind: 'go' }
  | { readonly kind: 'answer'; readonly answer: string }
  | { readonly kind: 'over' }
  | { readonly kind: 'cut'; readonly afterBytes: number };

export interface FetchContext {
  readonly view: View;
  readonly wire: Wire;
  readonly quirks: ImapQuirks;
  /** The session's number: what is rebuilt, is rebuilt for each session. */
  readonly session: number;
  before(uid: number): Promise<MessageCourse>;
}

/** The tagged answer, or undefined if the connection has ended. */
export async function fetch(
  context: FetchContext,
  [numbers, asked]: readonly Token[],
  byUid: boolean,
): Promise<string | undefined> {
  const { view, wire } = context;
  const set = parseSet(textOf(numbers));
  const items = parseItems(asked);
  if (set === undefined || items === undefined) return argumentError.answer;
  if (view.folder.gone) return `NO ${view.folder.name} doesn't exist.`;
  const named = items.some(({ kind }) => kind === 'UID');
  const wanted: readonly Item[] = byUid && !named ? [...items, { kind: 'UID' }] : items;
  let missing = false;
  let unreadable = false;
  for (const { sequence, uid } of view.named(set, byUid)) {
    const course = await context.before(uid);
    if (course.kind === 'over') return undefined;
    if (course.kind === 'answer') return course.answer;
    const message = view.folder.message(uid);
    if (message === undefined) missing = true;
    else if (message.unreadable === 'refused' && readsContent(wanted)) unreadable = true;
    else await show(context, sequence, message, { items: wanted, course });
    if (wire.isGone) return undefined;
  }
  if (unreadable) return unreadableAnswer;
  return missing ? messagesGone : `OK ${byUid ? 'UID ' : ''}FETCH completed.`;
}

async function show(
  { view, wire, quirks, session }: FetchContext,
  sequence: number,
  stored: StoredMessage,
  { items, course }: { readonly items: readonly Item[]; readonly course: MessageCourse },
): Promise<void> {
  let message = stored;
  let shown = items;
  const reads = items.some((item) => item.kind === 'section' && !item.peek);
  if (reads && !view.readOnly && !stored.flags.has('\\Seen')) {
    view.folder.setFlags(stored.uid, [...stored.flags, '\\Seen']);
    message = view.folder.message(stored.uid) ?? stored;
    view.acknowledge(sequence, message);
    if (!items.some(({ kind }) => kind === 'FLAGS')) shown = [...items, { kind: 'FLAGS' }];
  }
  const content = readsContent(items) ? contentFor(message, session, quirks.rebuild) : message.content;
  const pieces = answer(shown, message, content, quirks);
  await writePieces(
    wire,
    `* ${sequence} FETCH (`,
    pieces,
    course.kind === 'cut' ? course.afterBytes : Infinity,
  );
}

/** Writes the pieces of an answer; with `cutAfterBytes` the connection ends within its first literal. */
async function writePieces(
  wire: Wire,
  head: string,
  pieces: readonly AnswerPiece[],
  cutAfterBytes: number,
): Promise<void> {
  let text = head;
  for (const [at, piece] of pieces.entries()) {
    text += at === 0 ? '' : ' ';
    if (typeof piece === 'string') {
      text += piece;
      continue;
    }
    const { label, content } = piece;
    text += `${label} {${content.sizeBytes}}\r\n`;
    if (content.sizeBytes <= inlineLiteralBytes && cutAfterBytes === Infinity) {
      text += content.buffer().toString('latin1');
      continue;
    }
    await wire.write(text);
    text = '';
    for (const slice of content.slices(0, Math.min(content.sizeBytes, cutAfterBytes)))
      await wire.write(slice);
    if (cutAfterBytes !== Infinity) break;
  }
  if (cutAfterBytes === Infinity) await wire.write(`${text})\r\n`);
  else wire.end();
}

function readsContent(items: readonly Item[]): boolean {
  return items.some(({ kind }) => !['UID', 'FLAGS', 'INTERNALDATE', 'RFC822.SIZE'].includes(kind));
}
