import { app } from '@azure/functions';
import { http } from '../shared/loadBridge.ts';

app.http('submitMail', {
  methods: ['POST'],
  route: 'mail',
  authLevel: 'anonymous',
  handler: (request, context) => http('submitMail', request, context),
});
