// Who the fuzzer calls as, and for which mailboxes.
import { hashOf, type StoredCaller } from '../../shared/http/callers.ts';
import type { FuzzTarget } from './requests.ts';

export const fuzzMailboxes = ['desk@kunta.example', 'other@kunta.example'] as const;

export const fuzzTarget: FuzzTarget = {
  key: `emb_${'1'.repeat(64)}`,
  limitedKey: `emb_${'2'.repeat(64)}`,
  mailbox: fuzzMailboxes[0],
};

const keysOf = (key: string): StoredCaller['keys'] => [{ sha256: hashOf(key), createdAt: 0 }];

export const fuzzCallers: readonly StoredCaller[] = [
  { name: 'fuzz', rights: ['send', 'receive'], keys: keysOf(fuzzTarget.key) },
  {
    name: 'limited',
    rights: ['send'],
    mailboxes: [fuzzMailboxes[1]],
    keys: keysOf(fuzzTarget.limitedKey),
  },
];
