// docs/openapi.json: every HTTP route that callers outside use. `npm run schemas` writes it, a test compares.
import { routes, type Route } from '../shared/http/routes.ts';
import { routes as operatorRoutes } from '../shared/ops/api/routes.ts';
import type { ApiDescription } from '../shared/web/openApi.ts';
import { problemSchema } from '../shared/web/problemSchema.ts';
import { version } from '../shared/version.ts';

const httpRoutes: ApiDescription['routes'] = Object.fromEntries(
  Object.entries<Route>(routes).map(([name, route]) => [
    name,
    { ...route, tag: route.path.split('/')[2] ?? '', security: ['key', 'token'] },
  ]),
);

const ofOperators: ApiDescription['routes'] = Object.fromEntries(
  Object.entries(operatorRoutes).map(([name, route]) => [
    name,
    { ...route, tag: 'operator', security: ['operator'] },
  ]),
);

/** The whole of it. */
export const apiDescription: ApiDescription = {
  title: 'esm-mail-bridge',
  version,
  description:
    'Mail in and out over HTTP. Every error is problem details (RFC 9457) with a remedy. See docs/http.md.',
  routes: { ...httpRoutes, ...ofOperators },
  securitySchemes: {
    key: { type: 'apiKey', in: 'header', name: 'x-bridge-key' },
    token: {
      type: 'http',
      scheme: 'bearer',
      description: 'A token of Entra with the app role MailBridge.Sender or MailBridge.Receiver.',
    },
    operator: {
      type: 'http',
      scheme: 'bearer',
      description:
        'A token of Entra with the app role MailBridge.Administrator, or MailBridge.Viewer for what a viewer may see; from the page, its session.',
    },
  },
  problem: problemSchema,
  commonProblems: [401, 403, 500, 503],
};
