// The host's own poison queue keeps its messages seven days and then drops them, so it is emptied at once: what
// is there is accepted again. If the bridge or the store still fails, it goes back to `outbound-mail`, which
// it came from, without expiry, some minutes later.
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import { accept } from './acceptMail.ts';
import type { KnownAccounts } from './acceptMail.ts';
import type { Dependencies } from '../dependencies.ts';
import { payloadBytes } from './reject.ts';

/** Throws only where the message could not even be put back: the poison queue still has it then. */
export async function settlePoison(
  payload: unknown,
  known: KnownAccounts,
  dependencies: Dependencies,
): Promise<void> {
  try {
    await accept(payload, known, dependencies);
  } catch (error) {
    const delayMs = dependencies.numbers.poisonDelayMs;
    await dependencies.queues.resubmit(asText(payload), delayMs);
    const detail = error instanceof Error ? error.message : 'unknown trouble';
    dependencies.log(outboundEvents.requeued({ detail, delayMs }));
  }
}

/** Text as it came, where it is printable ASCII; else base64, which the acceptance recognises. */
function asText(payload: unknown): string {
  const bytes = payloadBytes(payload);
  const text = Buffer.from(bytes).toString('latin1');
  return /^[\x20-\x7e]*$/.test(text) ? text : Buffer.from(bytes).toString('base64');
}
