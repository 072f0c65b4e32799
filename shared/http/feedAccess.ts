import type { Caller } from './callers.ts';
import type { HttpDependencies } from './dependencies.ts';
import type { Problem } from './httpMessage.ts';

/** Events and notices are of all mailboxes, and one consumer reads them. Undefined if this caller may. */
export function accessible(
  { name, mailboxes }: Caller,
  { feedsOn }: Pick<HttpDependencies, 'feedsOn'>,
): Problem | undefined {
  if (mailboxes !== undefined)
    return {
      name: 'not-allowed',
      status: 403,
      detail: `${name} is limited to some mailboxes, and events and notices are of all of them.`,
      remedy: 'Use a key without "mailboxes".',
    };
  if (!feedsOn)
    return {
      name: 'feed-off',
      status: 404,
      detail: 'Events and notices are not read over HTTP: EVENTS_TO names another consumer.',
      remedy: 'Have an administrator set EVENTS_TO to http, and stop the other consumer.',
    };
  return undefined;
}
