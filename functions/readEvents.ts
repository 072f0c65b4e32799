import { app } from '@azure/functions';
import { http } from '../shared/loadBridge.ts';

app.http('readEvents', {
  methods: ['GET'],
  route: 'events',
  authLevel: 'anonymous',
  handler: (request, context) => http('readEvents', request, context),
});
