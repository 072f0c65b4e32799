import { app } from '@azure/functions';
import { bridge, eventsTo, queueNames } from '../shared/loadBridge.ts';

// The queue has one consumer: without this value it is another's.
if (eventsTo() === 'esm')
  app.storageQueue('deliverToEsm', {
    queueName: queueNames.inboundMail,
    connection: 'MailStore',
    handler: async (payload, context) => (await bridge()).deliverToEsm(payload, context),
  });
