// Events and notices over HTTP: peek-lock over the storage queue, and the content that they name. There is no second store
// of events: a message that is not acknowledged in time is given out again (at least once), and the order on the wire is
// not promised; a reader goes by `sequence`.
import { accessible } from './feedAccess.ts';
import type { Caller } from './callers.ts';
import type { FeedName, Handler, HttpDependencies } from './dependencies.ts';
import { jsonAnswer, type HttpAnswer, type HttpRequest, type Problem } from './httpMessage.ts';
import { hrefOf } from './addresses.ts';
import { memberOf, parseJson } from '../mail/foreign.ts';
import { httpEvents } from '../telemetry/httpEvents.ts';
import { addressMs, contentInAnswerBytes } from './numbers.ts';
import { queryOf } from './query.ts';
import { isTicketOf, makeReceipt, readReceipt, ticketOf } from './receipts.ts';
import { readSmallJson } from './requestBody.ts';
import { acknowledgement, routes } from './routes.ts';

export const readFeed =
  (feed: FeedName): Handler =>
  async (request, caller, dependencies) => {
    const denied = accessible(caller, dependencies);
    if (denied !== undefined) return denied;
    const query = queryOf(request, routes.readEvents.query);
    if ('name' in query) return query;
    const key = await dependencies.signingKey();
    const taken = await dependencies.feeds[feed].take(query.value.max, query.value.hide);
    const boundTo = { feed, caller: caller.name };
    const messages = taken.map((message) => {
      const event = parseJson(message.text);
      return {
        receipt: makeReceipt(message, boundTo, key),
        deliveryCount: message.dequeueCount,
        hiddenUntil: new Date(message.hiddenUntil).toISOString(),
        // Nothing but events is on the queue; what somebody else put there is passed on as text.
        event: event ?? message.text,
        content: blobsIn(event, dependencies.contentContainers).map((blob) => ({
          blob,
          href: hrefOf(`${contentPath(blob)}?ticket=${ticketOf(blob, key)}`, dependencies),
        })),
      };
    });
    if (messages.length > 0)
      dependencies.log(
        httpEvents.taken({ caller: caller.name, feed, action: 'take', count: messages.length }),
      );
    return jsonAnswer(200, { messages });
  };

export const acknowledge =
  (feed: FeedName): Handler =>
  async (request, caller, dependencies) => {
    const denied = accessible(caller, dependencies);
    if (denied !== undefined) return denied;
    const read = await readSmallJson(
      request,
      acknowledgement,
      'Write {"receipts": ["…"]} with 1 to 32 receipts as the feed gave them.',
    );
    if ('name' in read) return read;
    const key = await dependencies.signingKey();
    const receipts = read.value.receipts.map((text) => ({
      text,
      receipt: readReceipt(text, { feed, caller: caller.name }, key),
    }));
    const foreign = receipts.flatMap(({ receipt }, index) => (receipt === undefined ? [index] : []));
    if (foreign.length > 0)
      return {
        name: 'receipt-unknown',
        status: 422,
        detail: `${foreign.length} of the receipts were not given to ${caller.name} for ${feed}; none was acknowledged.`,
        remedy: 'Send receipts unchanged, with the key that took the messages, to the path that gave them.',
        problems: foreign.map((index) => ({
          field: `receipts[${index}]`,
          detail: 'It was not given to this caller for this feed.',
        })),
      };
    const results = await Promise.all(
      receipts.map(async ({ text, receipt }) => ({
        receipt: text,
        result:
          receipt === undefined
            ? ('late' as const)
            : await dependencies.feeds[feed].remove(receipt.messageId, receipt.popReceipt),
      })),
    );
    dependencies.log(
      httpEvents.taken({ caller: caller.name, feed, action: 'acknowledge', count: results.length }),
    );
    return jsonAnswer(200, { results });
  };

export async function readContent(
  request: HttpRequest,
  caller: Caller,
  dependencies: HttpDependencies,
): Promise<HttpAnswer | Problem> {
  const denied = accessible(caller, dependencies);
  if (denied !== undefined) return denied;
  const query = queryOf(request, routes.readContent.query);
  if ('name' in query) return query;
  const { ticket, as } = query.value;
  const blob = `${request.params['container'] ?? ''}/${request.params['name'] ?? ''}`;
  const key = await dependencies.signingKey();
  if (!isTicketOf(ticket, blob, key)) return notFound;
  if (as === 'address') {
    const expiresAt = dependencies.clock.now() + addressMs;
    const answer = await dependencies.blobs.forReading(blob, expiresAt);
    if (answer.kind === 'absent') return notFound;
    return jsonAnswer(200, { url: answer.url, expiresAt: new Date(expiresAt).toISOString() });
  }
  const content = await dependencies.blobs.read(blob, contentInAnswerBytes);
  switch (content.kind) {
    case 'absent':
      return notFound;
    case 'tooLarge':
      return {
        name: 'too-large',
        status: 413,
        detail: `The content has more than ${contentInAnswerBytes} bytes, which is what an answer may have.`,
        remedy: 'Add &as=address for an address that it can be read from, and read it there without the key.',
      };
    case 'content':
      return {
        status: 200,
        headers: {
          'content-type': 'application/octet-stream',
          'x-content-type': content.contentType,
          'content-length': String(content.bytes.length),
          'cache-control': 'no-store',
          'x-content-type-options': 'nosniff',
        },
        body: content.bytes,
      };
  }
}

const notFound: Problem = {
  name: 'not-found',
  status: 404,
  detail: 'There is no such content, or no event or notice named it with this ticket.',
  remedy: 'Use the href of the feed unchanged; content is kept for the days of RETENTION_DAYS.',
};

const contentPath = (blob: string): string =>
  `/api/content/${blob.split('/').map(encodeURIComponent).join('/')}`;

const blobsMost = 500;

/** Every text in the value that names a blob of these containers. No recursion. */
function blobsIn(value: unknown, containers: readonly string[]): readonly string[] {
  const found = new Set<string>();
  const open: unknown[] = [value];
  for (let next = open.pop(); open.length > 0 || next !== undefined; next = open.pop()) {
    if (found.size >= blobsMost) break;
    if (typeof next === 'string') {
      const [container = '', name = ''] = next.split('/');
      if (name !== '' && next.length <= 1_100 && containers.includes(container)) found.add(next);
    } else if (typeof next === 'object' && next !== null)
      for (const member of Object.keys(next)) open.push(memberOf(next, member));
  }
  return [...found];
}
