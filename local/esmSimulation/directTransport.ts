// Requests to the ESM emulator without a network, in whatever time its clock has: a connection that is cut, and a client
// that stops waiting while the server goes on.
import type { Clock } from '../../shared/clock.ts';
import { AnswerLost, type EsmResponse, type EsmTransport } from '../../shared/esm/client/transport.ts';
import type { EsmEmulator } from '../emulators/esm/esm.ts';
import type { HttpResponse } from '../emulators/httpListener.ts';

export function directTransport(esm: Pick<EsmEmulator, 'answer'>, clock: Clock): EsmTransport {
  return async ({ method, url, headers, body = '', timeoutMs }) => {
    const bytes = typeof body === 'string' ? Buffer.from(body) : await collect(body);
    const answer = esm.answer({
      method,
      url: new URL(url),
      headers,
      body: bytes.toString('utf8'),
      bytes,
    });
    const late = clock.sleep(timeoutMs).then(() => 'late' as const);
    const response = await Promise.race([answer, late]);
    if (response === 'late') throw new AnswerLost('no answer in time');
    if (response.cut === true) throw new AnswerLost('the connection was cut');
    return responseOf(response);
  };
}

function responseOf({ status, headers = {}, body }: HttpResponse): EsmResponse {
  const bytes =
    body instanceof Uint8Array
      ? Buffer.from(body)
      : Buffer.from(body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body));
  return {
    status,
    header: (name) => headers[name],
    text: () => Promise.resolve(bytes.toString('utf8')),
    bytes: async function* () {
      yield bytes;
      await Promise.resolve();
    },
  };
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}
