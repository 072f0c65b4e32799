import { app } from '@azure/functions';
import { bridge, queueNames } from '../shared/loadBridge.ts';

app.storageQueue('deliverToEsm', {
  queueName: queueNames.inboundMail,
  connection: 'MailStore',
  handler: async (payload, context) => (await bridge()).deliverToEsm(payload, context),
});
