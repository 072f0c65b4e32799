// Mail through an intake that is killed again and again: clients that send anew what got no 250, a bridge that is away
// now and then. What must hold at the end: every message is at the bridge, once.
//
//   node local/start.mjs tests/intake/kill/killRun.ts [--messages 2000] [--steps 160]
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { join } from 'node:path';
import { build } from 'esbuild';
import { client, mail, type SmtpDialog } from '../support/smtpDialog.ts';
import { newFolder, removeFolders, until } from '../support/startedIntake.ts';
import { TestBridge, type Fault } from '../support/testBridge.ts';

/** No step is left out as long as it does not divide the number of steps. */
const leap = 37;

export interface KillRunOptions {
  readonly messages: number;
  /** The process dies before each of its steps in turn, from the 1st to this one, again and again. */
  readonly stepsMost: number;
  readonly clients: number;
  readonly random: () => number;
}

export interface KillRunResult {
  readonly lives: number;
  /** How often it died at which step. */
  readonly kills: ReadonlyMap<string, number>;
  /** Sends that got no reply and were repeated. */
  readonly repeats: number;
  readonly lost: readonly number[];
  readonly twice: readonly number[];
  readonly answered: number;
  readonly posts: number;
}

export async function killRun({
  messages,
  stepsMost,
  clients,
  random,
}: KillRunOptions): Promise<KillRunResult> {
  const bridge = new TestBridge();
  await bridge.start();
  bridge.fault = (method, path): Fault | undefined => {
    if (path !== '/api/mail' || method !== 'POST') return undefined;
    const drawn = random();
    if (drawn < 0.04) return { kind: 'cut' };
    if (drawn < 0.1) return { kind: 'loseAnswer' };
    return drawn < 0.13 ? { kind: 'status', status: 503, retryAfter: '1' } : undefined;
  };
  const folder = await newFolder();
  // In one file it starts in a quarter of the time.
  const script = join(await newFolder(), 'child.mjs');
  await build({
    entryPoints: [join(import.meta.dirname, 'child.ts')],
    outfile: script,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node22',
    banner: { js: "import{createRequire as make}from'node:module';const require=make(import.meta.url);" },
  });
  const kills = new Map<string, number>();
  let port = 0;
  let lives = 0;
  let isOver = false;
  let child: ChildProcess | undefined;
  let repeats = 0;
  let answered = 0;

  const keepAlive = async (): Promise<void> => {
    // The latest step first, so that the port is known; then all others in leaps, so that late ones come in between.
    for (let killAt = stepsMost; !isOver; killAt = ((killAt + leap - 1) % stepsMost) + 1) {
      lives += 1;
      child = spawn(
        process.execPath,
        [
          '--disable-warning=ExperimentalWarning',
          script,
          folder,
          bridge.url,
          bridge.key,
          String(port),
          String(killAt),
        ],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      const ended = new Promise((resolve) => child?.once('close', resolve));
      if (child.stdout !== null) {
        for await (const line of createInterface({ input: child.stdout })) {
          if (line.startsWith('port ')) port = Number(line.slice('port '.length));
          else if (line.startsWith('killed ')) {
            const step = line.slice('killed '.length);
            kills.set(step, (kills.get(step) ?? 0) + 1);
          }
        }
      }
      await ended;
    }
  };
  const running = keepAlive();
  await until(() => port > 0);

  let next = 0;
  const send = async (): Promise<void> => {
    let dialog: SmtpDialog | undefined;
    for (let number = next++; number < messages; number = next++) {
      const body = `Body ${number}\r\n${`${'x'.repeat(70)}\r\n`.repeat(Math.floor(random() * 40))}end ${number}\r\n`;
      for (let tries = 1; ; tries += 1) {
        dialog ??= await client(port).catch(() => undefined);
        // As JavaMail does it: each try has a Message-ID of its own; the rest is the same.
        const content = mail(
          {
            Subject: `INC-${number}`,
            'Message-ID': `<${number}.${tries}.${Math.floor(random() * 1e9)}@esm>`,
          },
          body,
        );
        const reply = (await dialog?.send({ content })) ?? '';
        if (reply.startsWith('250')) {
          answered += 1;
          // Some go on on the connection, some say QUIT, some just leave.
          const drawn = random();
          if (drawn < 0.2) {
            await dialog?.quit();
            dialog = undefined;
          } else if (drawn < 0.4) {
            dialog?.cut();
            dialog = undefined;
          }
          break;
        }
        if (dialog !== undefined) repeats += 1;
        dialog?.cut();
        dialog = undefined;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    await dialog?.quit();
  };
  await Promise.all(Array.from({ length: clients }, send));

  const numbers = (): readonly number[] =>
    [...bridge.messages.values()].map(({ content }) =>
      Number(/Subject: INC-(\d+)/.exec(content?.toString() ?? '')?.[1] ?? -1),
    );
  for (let waits = 0; waits < 3_000 && new Set(numbers()).size < messages; waits += 1) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  isOver = true;
  child?.kill('SIGKILL');
  await running;
  await bridge.stop();
  await removeFolders();
  const found = numbers();
  const counts = new Map<number, number>();
  for (const number of found) counts.set(number, (counts.get(number) ?? 0) + 1);
  const all = Array.from({ length: messages }, (_, number) => number);
  return {
    lives,
    kills,
    repeats,
    answered,
    posts: bridge.postCount,
    lost: all.filter((number) => !counts.has(number)),
    twice: all.filter((number) => (counts.get(number) ?? 0) > 1),
  };
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { messages: { type: 'string' }, steps: { type: 'string' } } });
  const messages = Number(values.messages ?? 2_000);
  const startedAt = performance.now();
  const result = await killRun({
    messages,
    stepsMost: Number(values.steps ?? 160),
    clients: 4,
    random: Math.random,
  });
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
  console.log(
    `${messages} messages, ${result.lives} lives, ${result.repeats} repeats by clients, ${result.posts} posts, ${seconds} s`,
  );
  for (const [step, count] of [...result.kills].sort(([one], [other]) => one.localeCompare(other))) {
    console.log(`  killed before ${step.padEnd(24)} ${String(count).padStart(4)}`);
  }
  console.log(`${result.lost.length} lost, ${result.twice.length} twice`);
  process.exitCode = result.lost.length + result.twice.length > 0 ? 1 : 0;
}
