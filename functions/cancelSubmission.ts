import { app } from '@azure/functions';
import { http } from '../shared/loadBridge.ts';

app.http('cancelSubmission', {
  methods: ['DELETE'],
  route: 'mail/{id}',
  authLevel: 'anonymous',
  handler: (request, context) => http('cancelSubmission', request, context),
});
