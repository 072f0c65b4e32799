// What the storage adapters and both directions share: the failure of the store, and the report of its clock.

/** The store did not answer, or not with anything usable; nothing is known to have changed. */
export class StorageTrouble extends Error {
  override readonly name = 'StorageTrouble';
}

/** Storage's own time: every adapter reports each answer's Date header here, with the monotonic instants around it. */
export interface ClockSampler {
  observe(answer: { readonly sentAt: number; readonly dateMs: number; readonly receivedAt: number }): void;
}
