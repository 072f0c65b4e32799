// Messages of the bridge's own, put into a folder by APPEND (RFC 3501 6.3.11). Exchange was seen to hang on some of them and to
// refuse others, so the budget ends a try, and after one whose answer is not known the message is looked for first. A search
// by header is only a hint there: the Message-IDs of the newest messages are read and compared.
import { field, mailText, messageIds, readHeaders } from '../mail/headers.ts';
import type { Filing } from '../outbound/ports.ts';
import type { ImapConnection, ImapLogin } from './imapMailbox.ts';

/** As many as may come into a folder between two tries. */
const newestCount = 500;
const batchCount = 100;
const searchBackMs = 8 * 86_400_000;

export function createImapFiling(login: ImapLogin, clock: { now(): number }): Filing {
  return {
    async file(mailbox, { folder, bytes, messageId, mayBeThere }, time) {
      const answer = await login(mailbox, mailbox.imapUser, time);
      if (answer.kind === 'failed') return failed(answer.trouble);
      const { connection } = answer;
      try {
        if (mayBeThere) {
          const found = await find(connection, folder, messageId, clock.now() - searchBackMs);
          if (typeof found !== 'boolean') return failed(found);
          if (found) return { kind: 'there' };
        }
        const filed = await connection.append(folder, bytes);
        return filed.kind === 'ok' ? { kind: 'filed' } : failed(filed.trouble);
      } finally {
        await connection.close();
      }
    },
  };
}

interface Trouble {
  readonly detail: string;
  readonly retryAfterMs?: number;
}

const failed = ({ detail, retryAfterMs }: Trouble): Awaited<ReturnType<Filing['file']>> => ({
  kind: 'failed',
  detail,
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
});

/** Whether the folder has it; the trouble if that can't be told. */
async function find(
  connection: ImapConnection,
  folder: string,
  messageId: string,
  sinceMs: number,
): Promise<boolean | Trouble> {
  const selected = await connection.select(folder, true);
  if (selected.kind === 'failed') return selected.trouble;
  const searched = await connection.searchSince(sinceMs);
  if (searched.kind === 'failed') return searched.trouble;
  const newest = searched.uids.toReversed().slice(0, newestCount);
  for (let at = 0; at < newest.length; at += batchCount) {
    const fetched = await connection.headerFields(newest.slice(at, at + batchCount), ['Message-ID']);
    if (fetched.kind === 'failed') return fetched.trouble;
    for (const block of fetched.blocks.values())
      if (messageIds(field(readHeaders(mailText(block)), 'message-id')).includes(messageId)) return true;
  }
  return false;
}
