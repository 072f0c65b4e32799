// npm run keys: the keys of HTTP callers, of the environment's bridge or of the running local stack.
//   keys                                          lists callers, without secrets
//   keys create NAME --rights send,receive        makes a caller and prints its key, once
//        [--mailboxes ADDRESS,ADDRESS]            limited to these mailboxes
//        [--deliver hold|MODE]                    safe mode for what it submits: hold, or JSON such as
//                                                 {"redirect":"tester@example.com","allow":["@example.com"]}
//   keys rotate NAME                              adds a second key; the first one stays valid until it is revoked
//   keys revoke NAME [KEY_ID]                     ends one key, or the caller with all its keys, within a minute
import { userInfo } from 'node:os';
import { openBridge } from '../../shared/bridge.ts';
import { readSettings } from '../../shared/config/readSettings.ts';
import type { CallerRegistry } from '../../shared/http/callerRegistry.ts';
import { rights, type CallerSettings, type Right } from '../../shared/http/callers.ts';
import { deliverText, readDeliver } from '../../shared/mail/deliver.ts';
import { parseJson } from '../../shared/mail/foreign.ts';
import { present } from '../../shared/mail/omit.ts';
import { adoptEnvironment } from '../commandLine/adoptEnvironment.ts';
import { commandLine } from '../commandLine/commandLine.ts';
import { commandEnvironment, commandTrouble } from '../commandLine/commandSettings.ts';
import { table } from '../commandLine/table.ts';

const { values: flags, positionals } = commandLine(import.meta.filename, {
  allowPositionals: true,
  options: {
    rights: { type: 'string', default: 'send' },
    mailboxes: { type: 'string' },
    deliver: { type: 'string' },
  },
});
const [action = 'list', name = '', keyId] = positionals;

try {
  const environment = commandEnvironment();
  adoptEnvironment(environment);
  const answer = readSettings(environment);
  if (answer.kind === 'problems') throw new Error(answer.problems.map(({ detail }) => detail).join('\n'));
  await run(openBridge(answer.settings).callers);
  // Idle connections of the client libraries would keep the process for minutes.
  process.exit();
} catch (error) {
  console.error(await commandTrouble(error));
  process.exit(1);
}

async function run(callers: CallerRegistry): Promise<void> {
  const by = `${userInfo().username} at a command line`;
  switch (action) {
    case 'list': {
      const listed = await callers.list();
      console.log(
        table(
          ['caller', 'rights', 'mailboxes', 'safe mode', 'keys'],
          listed.map((caller) => [
            caller.name,
            caller.rights.join(', '),
            caller.mailboxes?.join(', ') ?? 'all',
            deliverText(caller.deliver ?? 'live') ?? 'off',
            caller.keys.map(({ id, createdAt }) => `${id} (${new Date(createdAt).toISOString()})`).join(', '),
          ]),
        ),
      );
      return;
    }
    case 'create': {
      const mailboxes = flags.mailboxes?.split(',');
      show(
        await callers.create(
          {
            name,
            rights: readRights(flags.rights),
            ...present({ mailboxes, deliver: readMode(flags.deliver) }),
          },
          by,
        ),
      );
      return;
    }
    case 'rotate':
      show(await callers.rotate(name, by));
      return;
    case 'revoke':
      show(await callers.revoke(name, keyId, by));
      return;
    default:
      throw new Error('Which of list, create, rotate, revoke? See npm run keys -- --help.');
  }
}

function readMode(text: string | undefined): CallerSettings['deliver'] {
  if (text === undefined) return undefined;
  const read = readDeliver(text.startsWith('{') ? parseJson(text) : text);
  if (read.kind === 'refused') throw new Error(`--deliver${read.path} ${read.detail}`);
  const { deliver } = read;
  return typeof deliver === 'string'
    ? deliver
    : { redirect: deliver.redirect, allow: [...(deliver.allow ?? [])] };
}

function readRights(text: string): Right[] {
  const named = text.split(',');
  return rights.filter((right) => named.includes(right));
}

function show(answer: Awaited<ReturnType<CallerRegistry['create'] | CallerRegistry['revoke']>>): void {
  if (answer.kind === 'refused') throw new Error(`${answer.detail} ${answer.remedy}`);
  console.log(
    answer.kind === 'key' ? `${answer.key}\nIts id is ${answer.id}. It is shown this once.` : 'Done.',
  );
}
