import { app } from '@azure/functions';
import { http } from '../shared/loadBridge.ts';

app.http('acknowledgeEvents', {
  methods: ['POST'],
  route: 'events',
  authLevel: 'anonymous',
  handler: (request, context) => http('acknowledgeEvents', request, context),
});
