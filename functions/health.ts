import { app } from '@azure/functions';
import { health } from '../shared/loadBridge.ts';

app.http('health', {
  methods: ['GET'],
  route: 'health',
  authLevel: 'anonymous',
  handler: (request, context) => health(request, context),
});
