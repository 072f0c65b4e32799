import { app } from '@azure/functions';
import { bridge } from '../shared/loadBridge.ts';

app.timer('pruneOutbox', {
  schedule: '%PRUNE_SCHEDULE%',
  handler: async (_timer, context) => (await bridge()).pruneOutbox(context),
});
