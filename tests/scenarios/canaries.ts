// Searches for secrets in every log line of a host and in all of storage. A value
// counts as found in any of the forms in which it travels: as it is, half of it, base64 at each of the three
// offsets (so inside a SASL string as well), URL-encoded.
import type { StoreClients } from '../../shared/storage/clients.ts';
import { containerNames, queueNames, tableNames } from '../../shared/storage/names.ts';

export interface Place {
  readonly name: string;
  readonly content: Buffer;
}

/** A secret's forms, each long enough to be nothing else. */
export function formsOf(secret: string): readonly Buffer[] {
  const half = Math.floor(secret.length / 2);
  const shifted = ['', 'a', 'ab'].flatMap((lead) => {
    const encoded = Buffer.from(lead + secret)
      .toString('base64')
      .slice(4, -4);
    return [encoded, encoded.replaceAll('+', '-').replaceAll('/', '_')];
  });
  return [secret.slice(0, half), secret.slice(half), encodeURIComponent(secret), ...shifted].map((form) =>
    Buffer.from(form),
  );
}

/** The places in which one of the secrets is, in any form. */
export function findIn(places: readonly Place[], secrets: Iterable<string>): readonly string[] {
  const forms = [...new Set(secrets)].flatMap(formsOf);
  return places.filter(({ content }) => forms.some((form) => content.includes(form))).map(({ name }) => name);
}

/** Everything in storage: rows, blobs with their metadata, and what lies in the queues. */
export async function everythingIn(store: StoreClients): Promise<readonly Place[]> {
  const places: Place[] = [];
  const add = (name: string, content: Buffer | string): void => {
    places.push({ name, content: typeof content === 'string' ? Buffer.from(content) : content });
  };
  for (const table of Object.values(tableNames)) {
    for await (const entity of store.table(table).listEntities()) {
      const name = `${table}: ${entity.partitionKey ?? ''} ${entity.rowKey ?? ''}`;
      add(name, JSON.stringify(entity));
      for (const value of Object.values(entity)) {
        if (value instanceof Uint8Array) add(name, Buffer.from(value));
      }
    }
  }
  for (const containerName of Object.values(containerNames)) {
    const container = store.blobs.getContainerClient(containerName);
    for await (const { name, metadata } of container.listBlobsFlat({ includeMetadata: true })) {
      add(`${containerName}/${name}`, `${name} ${JSON.stringify(metadata ?? {})}`);
      add(`${containerName}/${name}`, await container.getBlobClient(name).downloadToBuffer());
    }
  }
  for (const queueName of Object.values(queueNames)) {
    const { peekedMessageItems } = await store.queues
      .getQueueClient(queueName)
      .peekMessages({ numberOfMessages: 32 });
    for (const { messageText } of peekedMessageItems) add(queueName, messageText);
  }
  return places;
}
