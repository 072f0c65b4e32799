import { app } from '@azure/functions';
import { bridge, queueNames } from '../shared/loadBridge.ts';

app.storageQueue('sendMail', {
  queueName: queueNames.outboundWake,
  connection: 'MailStore',
  handler: async (payload, context) => (await bridge()).sendMail(payload, context),
});
