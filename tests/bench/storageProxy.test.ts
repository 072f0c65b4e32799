import { asLatest } from '../../shared/limits/storageTime.ts';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { systemClock } from '../../shared/clock.ts';
import { emptyState, encodeState, type AccountState } from '../../shared/outbound/records/accountState.ts';
import type { TransactionKind } from '../../shared/outbound/store/accountTransaction.ts';
import { StorageQueues } from '../../shared/storage/storageQueues.ts';
import { ensureStore, makeStoreClients, type StoreClients } from '../../shared/storage/clients.ts';
import { tableNames } from '../../shared/storage/names.ts';
import { TableRows } from '../../shared/storage/tableRows.ts';
import { startAzurite, type Azurite } from '../../local/stack/azurite.ts';
import {
  startStorageProxy,
  type AfterCall,
  type BeforeCall,
  type StorageProxy,
} from '../../local/storageProxy/storageProxy.ts';

let azurite: Azurite;
let proxy: StorageProxy;
let store: StoreClients;
let rows: TableRows;
let seen: string[] = [];
let before: () => BeforeCall = () => 'forward';
let after: () => AfterCall = () => 'pass';

beforeAll(async () => {
  azurite = await startAzurite();
  proxy = await startStorageProxy({
    ports: azurite.ports,
    before: () => before(),
    after: ({ name }) => {
      seen.push(name);
      return after();
    },
  });
  const { connectionString } = proxy;
  store = makeStoreClients(
    { kind: 'connectionString', connectionString },
    { clock: systemClock, clockSampler: { observe: () => undefined } },
  );
  await ensureStore(store);
  rows = new TableRows(store.table(tableNames.outbox));
}, 60_000);

afterAll(async () => {
  await proxy.close();
  await azurite.stop();
});

beforeEach(() => {
  seen = [];
  before = () => 'forward';
  after = () => 'pass';
});

const lease = { owner: 'one host', tag: 'one', until: asLatest(1), connections: 2 };
const open = {
  id: 'm',
  attempt: 1,
  key: 'due|1|0|m',
  tag: 't',
  owner: 'one',
  deadline: asLatest(1),
  slot: 1,
};

test('each transaction of a message’s life has its name', async () => {
  const account = 'names@proxy.example';
  const write = (kind: TransactionKind, state: AccountState): Promise<unknown> =>
    rows.commit(account, [{ kind: 'merge', key: 'account', fields: { ...encodeState(state), kind } }]);
  await rows.commit(account, [
    { kind: 'insert', key: 'msg|m', fields: {} },
    { kind: 'insert', key: 'due|1|0|m', fields: {} },
  ]);
  await rows.commit(account, [
    {
      kind: 'insert',
      key: 'account',
      fields: { ...encodeState({ ...emptyState, lease }), kind: 'acquireLease' },
    },
  ]);
  await write('claim', { ...emptyState, lease, activeAttempts: [open] });
  await write('extendLease', { ...emptyState, lease, activeAttempts: [open] });
  await write('settle', { ...emptyState, lease });
  await write('acquireLease', { ...emptyState, lease: { ...lease, tag: 'two' } });
  await write('releaseLease', emptyState);
  await rows.read(account, 'account');
  await rows.query(account, { from: 'due|', to: 'due}', limit: 10 });
  await new StorageQueues(store.queues).wake(account);
  expect(seen).toEqual([
    'accept',
    'lease',
    'claim',
    'keep lease',
    'settle',
    'lease',
    'give back',
    'read account',
    'read due',
    'put outbound-wake',
  ]);
});

test('a refused call is not applied, and an answer that is lost belongs to one that is', async () => {
  const account = 'faulty@proxy.example';
  before = () => 'refuse';
  expect(await rows.commit(account, [{ kind: 'insert', key: 'a', fields: {} }])).toMatchObject({
    kind: 'unknown',
  });
  before = () => 'forward';
  expect(await rows.read(account, 'a')).toBeUndefined();
  let lost = 0;
  after = () => (lost++ === 0 ? 'lose' : 'pass');
  // The client repeats by itself, and finds what it had written.
  expect(await rows.commit(account, [{ kind: 'insert', key: 'b', fields: {} }])).toMatchObject({
    kind: 'refused',
    reason: 'exists',
  });
  expect(await rows.read(account, 'b')).toBeDefined();
});
