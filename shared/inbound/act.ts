// The after-fetch actions: what is done to a message in the mailbox once its row and its notice are durable.
import { actionFor, type AfterFetch, type Mailbox } from '../mail/mailbox.ts';
import { inboundEvents } from '../telemetry/inboundEvents.ts';
import { SessionEnded, type Connection } from './connection.ts';
import type { InboundDependencies, MailboxContext } from './dependencies.ts';
import type { PendingAction } from './ports.ts';

export class Actions {
  readonly #context: MailboxContext;
  readonly #dependencies: Pick<InboundDependencies, 'log'>;
  /** Actions that the server refused: they stay pending, and are not tried again in this run. */
  readonly #refused = new Map<string, string>();

  constructor(context: MailboxContext, dependencies: Pick<InboundDependencies, 'log'>) {
    this.#context = context;
    this.#dependencies = dependencies;
  }

  /** Why some stay pending, for the administrator; empty if none do. */
  get detail(): string {
    return [...this.#refused.values()].join(' ').slice(0, 600);
  }

  /** Does them, each by the kind of its message. Returns those that are done. Throws SessionEnded. */
  async run(connection: Connection, due: readonly PendingAction[]): Promise<readonly PendingAction[]> {
    const done: PendingAction[] = [];
    for (const [key, { action, members }] of byAction(this.#context.mailbox, due)) {
      if (this.#refused.has(key)) continue;
      const answer = await connection.command(async (session) => {
        const answered = await session.act(
          members.map(({ uid }) => uid),
          action,
        );
        if (answered.kind === 'failed' && !goesOn(answered.trouble)) throw new SessionEnded(answered.trouble);
        return answered;
      });
      if (answer.kind === 'ok') {
        done.push(...members);
        continue;
      }
      const { detail } = answer.trouble;
      this.#refused.set(key, detail);
      const { hash } = this.#context;
      this.#dependencies.log(inboundEvents.actionFailed({ mailbox: hash, action: action.kind, detail }));
    }
    return done;
  }
}

function goesOn(trouble: { readonly kind: string; readonly commandRefused?: true }): boolean {
  return trouble.kind === 'folderMissing' || trouble.commandRefused === true;
}

function byAction(
  mailbox: Mailbox,
  due: readonly PendingAction[],
): ReadonlyMap<string, { readonly action: AfterFetch; readonly members: readonly PendingAction[] }> {
  const groups = new Map<string, { readonly action: AfterFetch; readonly members: PendingAction[] }>();
  for (const one of due) {
    const action = actionFor(mailbox, one.mailKind);
    const key = action.kind === 'move' ? `move:${action.folder}` : action.kind;
    const group = groups.get(key) ?? { action, members: [] };
    group.members.push(one);
    groups.set(key, group);
  }
  return groups;
}
