import { app } from '@azure/functions';
import { operatorApi } from '../shared/loadBridge.ts';

app.http('operatorApi', {
  methods: ['GET', 'POST'],
  route: 'ops/v1/{*path}',
  authLevel: 'anonymous',
  handler: (request, context) => operatorApi(request, context),
});
