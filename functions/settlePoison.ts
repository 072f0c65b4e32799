import { app } from '@azure/functions';
import { settlePoison } from '../shared/loadBridge.ts';

// Every minute, and not by a setting: it has to run when no setting can be read.
app.timer('settlePoison', {
  schedule: '15 * * * * *',
  handler: async (_timer, context) => settlePoison(context),
});
