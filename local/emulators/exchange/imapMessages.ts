// The commands about messages of the selected folder, but for FETCH (RFC 3501 6.4, RFC 4315, RFC 6851): STORE,
// SEARCH, COPY, MOVE, EXPUNGE.
import { folderOf } from './imapFolders.ts';
import { argumentError, messagesGone, noTarget, plainly, readOnlyFolder } from './imapOutcome.ts';
import type { Outcome } from './imapOutcome.ts';
import { parseSearch } from './imapSearch.ts';
import { formatSet, parseSet, textOf } from './imapSyntax.ts';
import type { Token } from './imapSyntax.ts';
import type { View } from './imapView.ts';
import type { MailboxStore } from './mailStore.ts';

export function store(view: View, [numbers, how, ...flagTokens]: readonly Token[], byUid: boolean): Outcome {
  const set = parseSet(textOf(numbers));
  const [, sign, silent] = /^([+-]?)FLAGS(\.SILENT)?$/i.exec(textOf(how) ?? '') ?? [];
  if (set === undefined || sign === undefined) return argumentError;
  if (view.readOnly) return readOnlyFolder;
  const listed = flagTokens.flatMap((token) => (token.kind === 'list' ? token.items : [token]));
  const flags = listed.map((token) => textOf(token)?.toLowerCase() ?? '');
  const untagged: string[] = [];
  let missing = false;
  for (const { sequence, uid } of view.named(set, byUid)) {
    const before = view.folder.message(uid);
    if (before === undefined) {
      missing = true;
      continue;
    }
    const stays = (flag: string): boolean =>
      sign === '+' || (sign === '-' && !flags.includes(flag.toLowerCase()));
    const kept = [...before.flags].filter(stays);
    view.folder.setFlags(uid, sign === '-' ? kept : [...kept, ...flags]);
    const after = view.folder.message(uid) ?? before;
    view.acknowledge(sequence, after);
    if (silent === undefined)
      untagged.push(`${sequence} FETCH (FLAGS (${[...after.flags].join(' ')}) UID ${uid})`);
  }
  return { untagged, answer: missing ? messagesGone : `OK ${byUid ? 'UID ' : ''}STORE completed.` };
}

export function search(
  view: View,
  tokens: readonly Token[],
  how: {
    readonly byUid: boolean;
    readonly headersFindNothing: boolean;
    readonly hidden: ReadonlySet<number>;
  },
): Outcome {
  const { byUid, headersFindNothing, hidden } = how;
  if (view.folder.gone) return plainly(`NO ${view.folder.name} doesn't exist.`);
  const all = view.all();
  const test = parseSearch(tokens, {
    maxSequence: all.length,
    maxUid: all.at(-1)?.uid ?? 0,
    headersFindNothing,
  });
  if (test === undefined) return argumentError;
  const found = all.filter(({ sequence, uid }) => {
    const message = view.folder.message(uid);
    return message !== undefined && !hidden.has(uid) && test({ sequence, message });
  });
  const numbers = found.map(({ sequence, uid }) => (byUid ? uid : sequence));
  return {
    untagged: [['SEARCH', ...numbers].join(' ')],
    answer: `OK ${byUid ? 'UID ' : ''}SEARCH completed.`,
  };
}

/** COPY and MOVE. What was copied stays copied although another message was gone. */
export function copy(
  view: View,
  mailbox: MailboxStore,
  [numbers, name]: readonly Token[],
  how: { readonly byUid: boolean; readonly move: boolean },
): Outcome {
  const { byUid, move } = how;
  const set = parseSet(textOf(numbers));
  if (set === undefined) return argumentError;
  const target = folderOf(mailbox, name);
  if (target === undefined) return noTarget(name);
  if (move && view.readOnly) return readOnlyFolder;
  const from: number[] = [];
  const to: number[] = [];
  let missing = false;
  for (const { uid } of view.named(set, byUid)) {
    const message = view.folder.message(uid);
    if (message === undefined) {
      missing = true;
      continue;
    }
    to.push(target.add(message).uid);
    from.push(uid);
    if (move) view.folder.remove(uid);
  }
  const code =
    from.length === 0 ? '' : `[COPYUID ${target.uidValidity} ${formatSet(from)} ${formatSet(to)}] `;
  const completed = `${byUid ? 'UID ' : ''}${move ? 'MOVE' : 'COPY'} completed.`;
  if (!move) return plainly(missing ? messagesGone : `OK ${code}${completed}`);
  // RFC 6851 4.3: MOVE reports its COPYUID before the EXPUNGE responses.
  return {
    untagged: code === '' ? [] : [`OK ${code.trimEnd()}`],
    answer: missing ? messagesGone : `OK ${completed}`,
  };
}

/** Removes what is \Deleted; with a set of UIDs only of those (UIDPLUS). The view's next sync reports it. */
export function expunge(view: View, numbers: Token | undefined, byUid: boolean): Outcome {
  const set = byUid ? parseSet(textOf(numbers)) : undefined;
  if (byUid && set === undefined) return argumentError;
  if (view.readOnly) return readOnlyFolder;
  for (const { uid } of set === undefined ? view.all() : view.named(set, true)) {
    if (view.folder.message(uid)?.flags.has('\\Deleted') === true) view.folder.remove(uid);
  }
  return plainly(`OK ${byUid ? 'UID ' : ''}EXPUNGE completed.`);
}
