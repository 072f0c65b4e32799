import { app } from '@azure/functions';
import { operatorPage } from '../shared/loadBridge.ts';

app.http('operatorPage', {
  methods: ['GET', 'POST'],
  route: 'ops/{*path}',
  authLevel: 'anonymous',
  handler: (request, context) => operatorPage(request, context),
});
