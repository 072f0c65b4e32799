import { app } from '@azure/functions';
import { bridge } from '../shared/loadBridge.ts';

app.http('connectCallback', {
  methods: ['GET'],
  route: 'oauth/callback',
  authLevel: 'anonymous',
  handler: async (request, context) => (await bridge()).connectCallback(request, context),
});
