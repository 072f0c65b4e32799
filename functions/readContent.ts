import { app } from '@azure/functions';
import { http } from '../shared/loadBridge.ts';

app.http('readContent', {
  methods: ['GET'],
  route: 'content/{container}/{*name}',
  authLevel: 'anonymous',
  handler: (request, context) => http('readContent', request, context),
});
