import { app } from '@azure/functions';
import { bridge } from '../shared/loadBridge.ts';

app.timer('refreshTokens', {
  schedule: '%REFRESH_SCHEDULE%',
  handler: async (_timer, context) => (await bridge()).refreshTokens(context),
});
