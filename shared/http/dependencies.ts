// What the HTTP side is handed when it is assembled.
import type { Clock, Random } from '../clock.ts';
import type { IntakeStates } from '../intake/intakeStates.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import type { Outbound } from '../outbound/outbound.ts';
import type { Log } from '../telemetry/log.ts';
import type { ByteBudget } from './byteBudget.ts';
import type { Caller } from './callers.ts';
import type { CallerRegistry } from './callerRegistry.ts';
import type { HttpAnswer, HttpRequest, Problem } from './httpMessage.ts';
import type { BlobAddresses, FeedQueue } from './ports.ts';

export interface HttpDependencies {
  readonly registry: CallerRegistry;
  readonly outbound: Pick<Outbound, 'acceptOrRefuse' | 'noteFailure' | 'message' | 'cancel' | 'forecast'>;
  readonly mailboxes: readonly Mailbox[];
  readonly maxima: { readonly recipientsCount: number; readonly contentBytes: number };
  readonly uploadContainer: string;
  readonly blobs: BlobAddresses;
  /** By feed; the containers that their messages name. */
  readonly feeds: Readonly<Record<FeedName, FeedQueue>>;
  readonly contentContainers: readonly string[];
  /** Whether this side reads events and notices (EVENTS_TO). */
  readonly feedsOn: boolean;
  /** Signs receipts and tickets; rejects while the vault does not answer. */
  readonly signingKey: () => Promise<Uint8Array>;
  readonly intakes: Pick<IntakeStates, 'put'>;
  readonly budget: ByteBudget;
  /** Where callers reach the app, without a slash at the end; absent: addresses without a host. */
  readonly publicUrl?: string;
  readonly authenticationOn: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** What a route does; a Problem is refused and logged. */
export type Handler = (
  request: HttpRequest,
  caller: Caller,
  dependencies: HttpDependencies,
) => Promise<HttpAnswer | Problem>;

export type FeedName = 'events' | 'notices';
