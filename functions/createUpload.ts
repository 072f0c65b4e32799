import { app } from '@azure/functions';
import { http } from '../shared/loadBridge.ts';

app.http('createUpload', {
  methods: ['POST'],
  route: 'uploads',
  authLevel: 'anonymous',
  handler: (request, context) => http('createUpload', request, context),
});
