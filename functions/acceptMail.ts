import { app } from '@azure/functions';
import { bridge, queueNames } from '../shared/loadBridge.ts';

app.storageQueue('acceptMail', {
  queueName: queueNames.outboundMail,
  connection: 'MailStore',
  handler: async (payload, context) => (await bridge()).acceptMail(payload, context),
});
