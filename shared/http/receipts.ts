// What a caller is given to acknowledge messages and to read content, signed so that it can't be made up: the pop receipts
// of the store are times, and a time can be guessed. A receipt is bound to the feed and the caller, a ticket to the blob.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { parseJson } from '../mail/foreign.ts';

export interface Receipt {
  readonly messageId: string;
  readonly popReceipt: string;
}

const inReceipt = z.tuple([z.string().max(100), z.string().max(200)]);
const macCharacters = 43;

const macOf = (key: Uint8Array, parts: readonly string[]): string =>
  createHmac('sha256', key).update(JSON.stringify(parts)).digest('base64url');

function isSame(given: string, expected: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}

export function makeReceipt(
  { messageId, popReceipt }: Receipt,
  boundTo: { readonly feed: string; readonly caller: string },
  key: Uint8Array,
): string {
  const content = Buffer.from(JSON.stringify([messageId, popReceipt])).toString('base64url');
  return `${content}.${macOf(key, ['receipt', boundTo.feed, boundTo.caller, content])}`;
}

/** Undefined if it was not given to this caller for this feed. */
export function readReceipt(
  text: string,
  boundTo: { readonly feed: string; readonly caller: string },
  key: Uint8Array,
): Receipt | undefined {
  const [content = '', mac = ''] = text.split('.');
  if (mac.length !== macCharacters) return undefined;
  if (!isSame(mac, macOf(key, ['receipt', boundTo.feed, boundTo.caller, content]))) return undefined;
  const read = inReceipt.safeParse(parseJson(Buffer.from(content, 'base64url').toString()));
  return read.success ? { messageId: read.data[0], popReceipt: read.data[1] } : undefined;
}

/** Shows that a feed named the blob. */
export const ticketOf = (blob: string, key: Uint8Array): string => macOf(key, ['content', blob]);

export const isTicketOf = (ticket: string, blob: string, key: Uint8Array): boolean =>
  isSame(ticket, ticketOf(blob, key));
