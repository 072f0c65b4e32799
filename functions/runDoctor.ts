import { app } from '@azure/functions';
import { bridge } from '../shared/loadBridge.ts';

app.http('runDoctor', {
  methods: ['POST'],
  route: 'ops/doctor',
  authLevel: 'anonymous',
  handler: async (request, context) => (await bridge()).runDoctor(request, context),
});
