// Run by identity.test.ts in a process of its own, because authorities to trust are read when Node starts: one
// write and read of each service, by identity, as the bridge does it in Azure.
import { createHash } from 'node:crypto';
import { systemClock } from '../../shared/clock.ts';
import { BlobContents } from '../../shared/storage/blobContents.ts';
import { ensureStore, makeStoreClients } from '../../shared/storage/clients.ts';
import { containerNames, queueNames, tableNames } from '../../shared/storage/names.ts';
import { StorageQueues } from '../../shared/storage/storageQueues.ts';
import { TableRows } from '../../shared/storage/tableRows.ts';

const [table = '', blob = '', queue = ''] = process.argv.slice(2);
const scopes = new Set<string>();
const now = Math.floor(Date.now() / 1_000);
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const claims = {
  aud: 'https://storage.azure.com',
  iss: 'https://sts.windows.net/00000000-0000-0000-0000-000000000000/',
  iat: now,
  nbf: now - 60,
  exp: now + 3_600,
};
let answers = 0;
const clients = makeStoreClients(
  { kind: 'identity', tableServiceUri: table, blobServiceUri: blob, queueServiceUri: queue },
  {
    clock: systemClock,
    clockSampler: { observe: () => void (answers += 1) },
    credential: {
      getToken: (scope) => {
        for (const each of [scope].flat()) scopes.add(each);
        const token = `${part({ alg: 'none', typ: 'JWT' })}.${part(claims)}.x`;
        return Promise.resolve({ token, expiresOnTimestamp: Date.now() + 3_600_000 });
      },
    },
  },
);
await ensureStore(clients);
const rows = new TableRows(clients.table(tableNames.outbox));
const committed = await rows.commit('p', [{ kind: 'insert', key: 'a', fields: { n: 1 } }]);
const row = await rows.read('p', 'a');
const contents = new BlobContents(
  clients.blobs.getContainerClient(containerNames.outboundContent),
  clients.blobs.getContainerClient(containerNames.outboundUploads),
);
const bytes = Buffer.from('hello');
const name = createHash('sha256').update(bytes).digest('hex');
await contents.put(name, bytes);
const content = await contents.get(name);
await new StorageQueues(clients.queues).publish('{}');
const { receivedMessageItems } = await clients.queues.getQueueClient(queueNames.mailStatus).receiveMessages();
console.log(
  JSON.stringify({
    committed: committed.kind,
    row: row?.fields,
    content: Buffer.from(content ?? []).toString(),
    told: receivedMessageItems.map(({ messageText }) => messageText),
    scopes: [...scopes],
    witnessed: answers > 10,
  }),
);
