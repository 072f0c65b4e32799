// What `npm run events` shows: the histories of messages, from the operator API, as one list in the order of time.
import { memberOf, textIn } from '../../shared/mail/foreign.ts';
import { fitted, timeShown } from './fitted.ts';
import type { OperatorClient } from './operatorClient.ts';

export interface EventsRequest {
  /** Of the newest messages if empty. */
  readonly ids: readonly string[];
  readonly mailbox?: string;
  /** Messages, at most. */
  readonly limit: number;
}

interface Reported {
  readonly at: string;
  readonly id: string;
  readonly type: string;
  readonly detail: string;
}

/** Pages of the list that are looked through for the newest. */
const pagesMost = 10;

/** Throws with the API's detail and remedy. */
export async function runEvents(
  { ids, mailbox, limit }: EventsRequest,
  client: OperatorClient,
): Promise<{ readonly text: string; readonly json: object }> {
  const query = mailbox === undefined ? '' : `?mailbox=${encodeURIComponent(mailbox)}`;
  const wanted = ids.length > 0 ? ids : await newest(mailbox, limit, client);
  const events: Reported[] = [];
  for (const id of wanted) {
    const message = await client.get(`messages/${encodeURIComponent(id)}${query}`);
    events.push(
      ...membersOf(message, 'history').map((one) => ({
        at: textIn(one, 'at'),
        id,
        type: textIn(one, 'type'),
        detail: textIn(one, 'detail'),
      })),
    );
  }
  events.sort((one, other) => one.at.localeCompare(other.at));
  const rows = events.map(({ at, id, type, detail }) => [timeShown(at), id, type, detail]);
  return {
    text:
      rows.length === 0
        ? 'Nothing was reported yet.'
        : fitted(['when', 'id', 'event', 'detail'], rows, [17, 22, 14, 21]),
    json: { events },
  };
}

async function newest(
  mailbox: string | undefined,
  limit: number,
  client: OperatorClient,
): Promise<readonly string[]> {
  const found: { readonly id: string; readonly since: string }[] = [];
  let after: string | undefined;
  for (let page = 0; page < pagesMost; page += 1) {
    const parameters = new URLSearchParams({
      limit: '200',
      ...(mailbox === undefined ? {} : { mailbox }),
      ...(after === undefined ? {} : { after }),
    });
    const answer = await client.get(`messages?${parameters.toString()}`);
    found.push(
      ...membersOf(answer, 'messages').map((one) => ({ id: textIn(one, 'id'), since: textIn(one, 'since') })),
    );
    after = textIn(answer, 'next');
    if (after === '') break;
  }
  return found
    .sort((one, other) => other.since.localeCompare(one.since))
    .slice(0, limit)
    .map(({ id }) => id);
}

const membersOf = (value: unknown, name: string): readonly unknown[] => {
  const member = memberOf(value, name);
  return Array.isArray(member) ? member : [];
};
