import { app } from '@azure/functions';
import { http } from '../shared/loadBridge.ts';

app.http('reportIntakeFailure', {
  methods: ['POST'],
  route: 'intake/{name}/failures',
  authLevel: 'anonymous',
  handler: (request, context) => http('reportIntakeFailure', request, context),
});
