// One of several processes of a run: simulates the world it is sent, reports the outcome, and waits for the next.
import { runWorld } from './run.ts';
import type { Order } from './run.ts';

process.on('message', (order: Order) => {
  void runWorld(order).then((outcome) => process.send?.({ ...outcome, delays: [], highDelays: [] }));
});
