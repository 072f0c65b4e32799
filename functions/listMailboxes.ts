import { app } from '@azure/functions';
import { http } from '../shared/loadBridge.ts';

app.http('listMailboxes', {
  methods: ['GET'],
  route: 'mailboxes',
  authLevel: 'anonymous',
  handler: (request, context) => http('listMailboxes', request, context),
});
