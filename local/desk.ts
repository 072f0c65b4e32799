// The outbound side for whoever looks and decides, and does not send: what a person does to a message is one
// transaction on its account's rows, made here by the very functions that the bridge has.
import { systemClock, systemRandom } from '../shared/clock.ts';
import type { Settings } from '../shared/config/settings.ts';
import { MimeComposer } from '../shared/exchange/mimeComposer.ts';
import { StorageTime } from '../shared/limits/storageTime.ts';
import { storeCredential } from '../shared/oauth/azureCredentials.ts';
import { defaultNumbers } from '../shared/outbound/numbers.ts';
import { createOutbound, type Outbound } from '../shared/outbound/outbound.ts';
import { BlobContents } from '../shared/storage/blobContents.ts';
import { makeStoreClients } from '../shared/storage/clients.ts';
import { containerNames, tableNames } from '../shared/storage/names.ts';
import { StorageQueues } from '../shared/storage/storageQueues.ts';
import { TableRows } from '../shared/storage/tableRows.ts';

/** Everything but sending and looking into Sent Items, which reject. */
export function openDesk(settings: Settings): Outbound {
  const time = new StorageTime(systemClock);
  const store = makeStoreClients(settings.store, {
    clock: systemClock,
    witness: time,
    ...storeCredential(settings.store),
  });
  const composer = new MimeComposer(settings.submissions);
  return createOutbound({
    rows: new TableRows(store.table(tableNames.outbox)),
    contents: new BlobContents(
      store.blobs.getContainerClient(containerNames.outboundContent),
      store.blobs.getContainerClient(settings.uploadContainer),
    ),
    queues: new StorageQueues(store.queues),
    relay: { connect: () => Promise.reject(new Error('the desk does not send')) },
    sentItems: { look: () => Promise.reject(new Error('the desk does not look')) },
    composer,
    rawMessages: composer,
    time,
    clock: systemClock,
    random: systemRandom,
    numbers: { ...defaultNumbers, ...settings.outbound },
    accounts: settings.accounts,
    submissions: {
      mailboxes: settings.mailboxes,
      maxima: settings.submissions,
      uploadContainer: settings.uploadContainer,
    },
    tagKey: () => Promise.reject(new Error('the desk does not send')),
    log: () => undefined,
  });
}
