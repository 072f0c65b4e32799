import { app } from '@azure/functions';
import { bridge } from '../shared/loadBridge.ts';

app.http('connectMailbox', {
  methods: ['GET', 'POST'],
  route: 'oauth/connect',
  authLevel: 'anonymous',
  handler: async (request, context) => (await bridge()).connectMailbox(request, context),
});
