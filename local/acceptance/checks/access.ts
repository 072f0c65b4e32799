// Whether app and mailbox answer at all.
import { failed, passed, type Check, type CheckContext, type CheckResult } from '../check.ts';

export const accessChecks: readonly Check[] = [
  {
    id: 'app',
    title: 'The app answers',
    run: async (context: CheckContext): Promise<CheckResult> => {
      const health = await context.bridge.health();
      return health.kind === 'alive'
        ? passed(`Alive, version ${health.version}.`)
        : failed(
            health.detail,
            'Is it the address of the app, and is your network among its allowedAddresses? Without functions it answers 404: publish the package.',
          );
    },
  },
];

/** The result of opening the mailbox, which happens before the checks. */
export const signInCheck: Pick<Check, 'id' | 'title'> = {
  id: 'signIn',
  title: 'The test mailbox opens with its own sign-in',
};
