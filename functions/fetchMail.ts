import { app } from '@azure/functions';
import { bridge } from '../shared/loadBridge.ts';

app.timer('fetchMail', {
  schedule: '%FETCH_SCHEDULE%',
  handler: async (_timer, context) => (await bridge()).fetchMail(context),
});
