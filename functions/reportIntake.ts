import { app } from '@azure/functions';
import { http } from '../shared/loadBridge.ts';

app.http('reportIntake', {
  methods: ['PUT'],
  route: 'intake/{name}',
  authLevel: 'anonymous',
  handler: (request, context) => http('reportIntake', request, context),
});
