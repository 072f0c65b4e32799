import { app } from '@azure/functions';
import { bridge } from '../shared/loadBridge.ts';

app.timer('exportOutbox', {
  // Daily, before retention: no setting, since nothing depends on the hour.
  schedule: '0 37 2 * * *',
  handler: async (_timer, context) => (await bridge()).exportOutbox(context),
});
