import { app } from '@azure/functions';
import { bridge, queueNames } from '../shared/loadBridge.ts';

app.storageQueue('heartbeat', {
  queueName: queueNames.heartbeat,
  connection: 'MailStore',
  handler: async (payload, context) => (await bridge()).heartbeat(payload, context),
});
