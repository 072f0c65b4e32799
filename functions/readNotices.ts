import { app } from '@azure/functions';
import { http } from '../shared/loadBridge.ts';

app.http('readNotices', {
  methods: ['GET'],
  route: 'notices',
  authLevel: 'anonymous',
  handler: (request, context) => http('readNotices', request, context),
});
