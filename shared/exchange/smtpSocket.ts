import { connect, type Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import type { TimeLeft } from '../deadline.ts';
import type { RelayFailure } from '../outbound/ports.ts';
import { causeOf, failureIn } from './smtpDetail.ts';

export type OpenedSocket =
  | { readonly kind: 'open'; readonly socket: Socket }
  | { readonly kind: 'failed'; readonly failure: RelayFailure };

const connectMs = 30_000;

/** Opens the socket outside the library: so the phase is certain, and its errors always have a listener. */
export async function openSocket(
  server: { readonly host: string; readonly port: number },
  time: TimeLeft,
  clock: Clock,
): Promise<OpenedSocket> {
  const remainingMs = Math.min(time.remainingMs(), connectMs);
  const failed = (cause: string): OpenedSocket => ({
    kind: 'failed',
    failure: failureIn('connect', cause),
  });
  if (remainingMs <= 0) return failed('no time was left');
  const socket = connect({ host: server.host, port: server.port });
  const settled = new AbortController();
  const opened = new Promise<OpenedSocket>((resolve) => {
    socket.once('connect', () => {
      resolve({ kind: 'open', socket });
    });
    socket.on('error', (error) => {
      resolve(failed(causeOf(error)));
    });
  });
  const late = clock.sleep(remainingMs, settled.signal).then(() => failed('ETIMEDOUT'));
  const answer = await Promise.race([opened, late]);
  settled.abort();
  if (answer.kind === 'failed') socket.destroy();
  return answer;
}
