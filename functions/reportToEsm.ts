import { app } from '@azure/functions';
import { bridge, queueNames } from '../shared/loadBridge.ts';

app.storageQueue('reportToEsm', {
  queueName: queueNames.mailStatus,
  connection: 'MailStore',
  handler: async (payload, context) => (await bridge()).reportToEsm(payload, context),
});
