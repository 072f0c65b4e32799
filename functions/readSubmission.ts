import { app } from '@azure/functions';
import { http } from '../shared/loadBridge.ts';

app.http('readSubmission', {
  methods: ['GET'],
  route: 'mail/{id}',
  authLevel: 'anonymous',
  handler: (request, context) => http('readSubmission', request, context),
});
