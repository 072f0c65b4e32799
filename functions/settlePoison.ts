import { app } from '@azure/functions';
import { bridge, queueNames } from '../shared/loadBridge.ts';

app.storageQueue('settlePoison', {
  queueName: queueNames.outboundMailPoison,
  connection: 'MailStore',
  handler: async (payload, context) => (await bridge()).settlePoison(payload, context),
});
