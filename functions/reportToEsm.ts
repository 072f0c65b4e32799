import { app } from '@azure/functions';
import { bridge, eventsTo, queueNames } from '../shared/loadBridge.ts';

// The queue has one consumer: without this value it is another's.
if (eventsTo() === 'esm')
  app.storageQueue('reportToEsm', {
    queueName: queueNames.mailStatus,
    connection: 'MailStore',
    handler: async (payload, context) => (await bridge()).reportToEsm(payload, context),
  });
