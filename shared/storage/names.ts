// Every name in the store. They are constants because functions bind to the queues by name, the template
// creates the same names, and ESM's side is documented with them.

/** Queues. The `-poison` ones are filled by the Functions host, which decides their names. */
export const queueNames = {
  outboundMail: 'outbound-mail',
  outboundMailPoison: 'outbound-mail-poison',
  outboundWake: 'outbound-wake',
  outboundWakePoison: 'outbound-wake-poison',
  mailStatus: 'mail-status',
  mailStatusPoison: 'mail-status-poison',
  inboundMail: 'inbound-mail',
  inboundMailPoison: 'inbound-mail-poison',
  heartbeat: 'heartbeat',
  heartbeatPoison: 'heartbeat-poison',
} as const;

/** Tables. */
export const tableNames = {
  /** Messages, their accounts and their status events. */
  outbox: 'outbox',
  /** What was fetched, the cursors and the pending actions. */
  inbound: 'inbound',
  /** Consents under way, notes of the administrator's page, its audit trail, and the ticks of the timers. */
  ops: 'ops',
  /** What the connector to ESM has written onto which card. */
  esm: 'esm',
} as const;

/** In the host's account: the daily exports of the outbox. */
export const exportContainerName = 'outbox-export';

/** Blob containers. */
export const containerNames = {
  /** Contents too large for a row, refused ones too, named by their SHA-256. */
  outboundContent: 'outbound-content',
  /** Where ESM puts the blobs that its submissions refer to. We only read it. */
  outboundUploads: 'outbound-uploads',
  /** Raw messages and their parts. */
  inboundContent: 'inbound-content',
} as const;
