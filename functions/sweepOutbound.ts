import { app } from '@azure/functions';
import { bridge } from '../shared/loadBridge.ts';

app.timer('sweepOutbound', {
  schedule: '%SWEEP_SCHEDULE%',
  handler: async (_timer, context) => (await bridge()).sweepOutbound(context),
});
