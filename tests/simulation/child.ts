// One of several processes of a run: lives through the world it is told to, says what came of it, waits for the
// next.
import { runWorld } from './run.ts';
import type { Order } from './run.ts';

process.on('message', (order: Order) => {
  void runWorld(order).then((outcome) => process.send?.({ ...outcome, delays: [], highDelays: [] }));
});
