import { app } from '@azure/functions';
import { bridge } from '../shared/loadBridge.ts';

app.timer('pruneInbound', {
  schedule: '%PRUNE_SCHEDULE%',
  handler: async (_timer, context) => (await bridge()).pruneInbound(context),
});
