import { app } from '@azure/functions';
import { http } from '../shared/loadBridge.ts';

app.http('acknowledgeNotices', {
  methods: ['POST'],
  route: 'notices',
  authLevel: 'anonymous',
  handler: (request, context) => http('acknowledgeNotices', request, context),
});
