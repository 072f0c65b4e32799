// The deployment chapter, held against what it talks of: every command is taken out of the README and of
// docs/deployment.md (and out of the GitHub workflow), and its names, parameters and outputs are looked for in template, scripts and package.
import { afterAll, describe, expect, jest, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findBicep } from '../../local/build/bicep.ts';
import { submissionSchema } from '../../shared/contract/submissionSchema.ts';
import { routes } from '../../shared/ops/api/routes.ts';
import { queueNames } from '../../shared/storage/names.ts';
import { layOut, root, withExamples } from './bench.ts';
import { at, record } from './json.ts';

// The compiler is another process, and the machine may be busy.
jest.setTimeout(120_000);

const bench = layOut();
afterAll(() => {
  bench.remove();
});

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const readme = read('README.md');
const short = section(readme, '## Deployment');
const chapter = `${short}\n${read('docs/deployment.md')}`;
/** A chapter up to the next of its rank. A heading that is gone must not leave an empty chapter, which has no faults. */
function section(page: string, heading: string): string {
  const start = page.indexOf(`\n${heading}\n`);
  if (start < 0) throw new Error(`there is no chapter "${heading}"`);
  const end = page.indexOf('\n## ', start + heading.length);
  return page.slice(start, end < 0 ? undefined : end);
}

const workflow = read('.github/workflows/deploy.yml');
const script = read('infra/exchange/grantMailboxAccess.ps1');
const blocksOf = (page: string, language: string): readonly string[] =>
  [...page.matchAll(new RegExp(`^ *\`\`\`${language}\\n([\\s\\S]*?)^ *\`\`\`$`, 'gm'))].map(
    (match) => match[1] ?? '',
  );
const commandsOf = (page: string): readonly string[] =>
  blocksOf(page, 'sh').flatMap((block) =>
    block
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== ''),
  );
const blocks = blocksOf(chapter, 'sh');
const commands = commandsOf(chapter);
/** Other pages whose commands are run in the guide's shell. */
const inItsShell = ['docs/acceptance.md', 'docs/runbook.md', 'docs/release.md'].flatMap((page) =>
  commandsOf(read(page)),
);
const everything = [...commands, ...inItsShell, ...workflow.split('\n').map((line) => line.trim())];

const templates = { main: await bench.compile('main.bicep'), entra: await bench.compile('entra.bicep') };
const parametersOf = (which: keyof typeof templates): readonly string[] =>
  Object.keys(record(at(templates[which], 'parameters')));
const outputsOf = (which: keyof typeof templates): readonly string[] =>
  Object.keys(record(at(templates[which], 'outputs')));

const deployments = everything.filter((line) => /az deployment group (?:create|what-if)/.test(line));
const templateOf = (line: string): keyof typeof templates =>
  line.includes('--template-file infra/entra.bicep') ? 'entra' : 'main';

describe('the README’s chapter and docs/deployment.md', () => {
  test('holds the commands of a deployment', () => {
    expect(commands.length).toBeGreaterThan(25);
    expect(deployments.length).toBeGreaterThanOrEqual(6);
  });

  test.each(blocks.map((block, index): readonly [number, string] => [index + 1, block]))(
    'block %i is shell that parses',
    (_index, block) => {
      expect(spawnSync('bash', ['-n'], { input: block, encoding: 'utf8' })).toMatchObject({
        status: 0,
        stderr: '',
      });
    },
  );

  test.each(deployments)('%s', (line) => {
    const files = [...line.matchAll(/infra\/[\w./]+\.bicep(?:param)?/g)].map((match) => match[0]);
    for (const file of files) expect([file, existsSync(join(root, file))]).toEqual([file, true]);
    expect(files.length > 0 || line.includes('"$PARAMETERS"')).toBe(true);
    const given = [...line.matchAll(/ (\w+)=/g)].map((match) => match[1] ?? '');
    for (const name of given) expect(parametersOf(templateOf(line))).toContain(name);
  });

  test('who deploys entra.bicep alone gives it every parameter that has no default', () => {
    const line = deployments.find((one) => templateOf(one) === 'entra') ?? '';
    const required = Object.entries(record(at(templates.entra, 'parameters')))
      .filter(([, parameter]) => at(parameter, 'defaultValue') === undefined)
      .map(([name]) => name);
    expect(required.length).toBeGreaterThan(5);
    for (const name of required) expect(line).toContain(` ${name}=`);
  });

  test('every output that is read is an output', () => {
    const named = everything.flatMap((line) => [
      ...[...line.matchAll(/(?:^|\$\(|")out (\w+)/g)].map((match) => match[1] ?? ''),
      ...(line.includes('mail-bridge-entra')
        ? []
        : [...line.matchAll(/properties\.outputs\.(\w+)\.value/g)].map((match) => match[1] ?? '')),
    ]);
    expect(new Set(named).size).toBeGreaterThanOrEqual(7);
    for (const name of named) expect(outputsOf('main')).toContain(name);
    const ofEntra = commands
      .filter((line) => line.includes('az deployment group show') && line.includes('mail-bridge-entra'))
      .flatMap((line) =>
        [...line.matchAll(/properties\.outputs\.(\w+)\.value/g)].map((match) => match[1] ?? ''),
      );
    expect(ofEntra.length).toBeGreaterThan(0);
    for (const name of ofEntra) expect(outputsOf('entra')).toContain(name);
  });

  // Each page by itself: a reader follows one of them.
  test.each([
    ['README.md', short],
    ['docs/deployment.md', read('docs/deployment.md')],
  ])('%s: every variable is set before it is used', (_name, page) => {
    // The shell's own.
    const set = new Set<string>(['EDITOR']);
    for (const line of commandsOf(page)) {
      const looped = /^for ([A-Z][A-Z_]*) in/.exec(line)?.[1];
      if (looped !== undefined) set.add(looped);
      for (const match of line.matchAll(/\$\{?([A-Z][A-Z_]*)\}?/g)) {
        expect([line, match[1], set.has(match[1] ?? '')]).toEqual([line, match[1], true]);
      }
      const assigned = /^([A-Z][A-Z_]*)=/.exec(line)?.[1];
      if (assigned !== undefined) set.add(assigned);
    }
    expect(set.size).toBeGreaterThan(3);
  });

  test('the function that reads outputs is there before it is called', () => {
    const defined = commands.findIndex((line) => line.startsWith('out() {'));
    expect(defined).toBeGreaterThan(-1);
    expect(commands.findIndex((line) => /(?:^|\$\()out [a-z]/.test(line))).toBeGreaterThan(defined);
  });

  test('every npm script is one of package.json', () => {
    const scripts = record(at(JSON.parse(read('package.json')), 'scripts'));
    const named = [...(chapter + workflow).matchAll(/npm run ([\w-]+)/g)].map((match) => match[1] ?? '');
    expect(named).toContain('build');
    for (const name of named) expect(Object.keys(scripts)).toContain(name);
  });

  test('what is published is what the build stages, by its own name', () => {
    const publishing = everything.filter((line) => line.includes('func azure functionapp publish'));
    expect(publishing.length).toBeGreaterThanOrEqual(3);
    for (const line of publishing)
      expect(line).toMatch(/publish "\$(APP|app)" --no-build(?:\)| && exit 0)?$/);
    for (const line of publishing.filter((one) => one.includes('$APP'))) {
      expect(line).toContain('(cd dist && FUNCTIONS_WORKER_RUNTIME=node func');
    }
    expect(workflow).toMatch(/working-directory: dist\n +env:\n +FUNCTIONS_WORKER_RUNTIME: node/);
  });

  test('every parameter of the script for Exchange is one of its own', () => {
    const block = script.slice(script.indexOf('\nparam('), script.indexOf('\n)\n'));
    const known = [...block.matchAll(/^ {4}\[[^\n]*\] \$(\w+)/gm)].map((match) => match[1] ?? '');
    const common = ['WhatIf', 'Command', 'NoProfile', 'Scope', 'Force'];
    const named = chapter
      .split('\n')
      .filter((line) => /grantMailboxAccess\.ps1|EXCHANGE=|-Send(?:As|Only)/.test(line))
      .flatMap((line) => [...line.matchAll(/[ "`]-([A-Z]\w+)/g)].map((match) => match[1] ?? ''));
    expect(named).toContain('EnterpriseAppObjectId');
    for (const name of named) expect([...known, ...common]).toContain(name);
    for (const name of [
      'AppId',
      'EnterpriseAppObjectId',
      'ApplicationMailbox',
      'SmtpAccount',
      'SendAs',
      'SendOnly',
    ])
      expect(named).toContain(name);
  });

  test('every queue is one of the store', () => {
    const queues = [...chapter.matchAll(/--queue-name ([\w-]+)/g)].map((match) => match[1] ?? '');
    expect(queues).toHaveLength(2);
    for (const queue of queues) expect(Object.values(queueNames)).toContain(queue);
  });

  test('every file that a command names is there', () => {
    const paths = commands.flatMap((line) =>
      [...line.matchAll(/(?:^|[ ("/])((?:infra|local)\/[\w./-]+\.\w+)/g)].map((match) => match[1] ?? ''),
    );
    expect(paths.length).toBeGreaterThan(5);
    for (const path of paths) expect([path, existsSync(join(root, path))]).toEqual([path, true]);
  });

  test('every parameter that the text names is one of the template', () => {
    const named = [
      'grantAdminConsent',
      'adminPrincipalIds',
      'senderPrincipalId',
      'consumerPrincipalId',
      'deployEntra',
      'existingClientId',
      'recoverVault',
      'assignRoles',
      'alertsEnabled',
      'network',
      'allowedAddresses',
      'fixedOutgoingAddress',
      'deleteLock',
      'purgeProtection',
      'monthlyBudget',
      'logDailyCapGigabytes',
      'softDeleteDays',
      'storageSku',
      'zoneRedundant',
      'smtpIntake',
      'alertEmails',
    ];
    for (const name of named) {
      expect(chapter).toContain(name);
      expect(parametersOf('main')).toContain(name);
    }
  });

  test('what needs a subscription is said to be untried', () => {
    expect(chapter).toMatch(/Nothing here has been\s+run against a subscription or a tenant/);
    expect(workflow).toContain('Untried: it needs a subscription.');
  });
});

test('what the guide shows of a parameter file compiles', async () => {
  const shown = blocksOf(read('docs/deployment.md'), 'bicep');
  expect(shown).toHaveLength(1);
  const prediction = await bench.predict(
    'prod.public.bicepparam',
    'rg-x',
    (text) => `${withExamples(text)}\n${shown.join('\n')}`,
  );
  expect(prediction.resources.map(({ type }) => type)).toContain('Microsoft.App/managedEnvironments');
  // Its secrets have no place before the first deployment.
  expect(prediction.resources.map(({ type }) => type)).not.toContain('Microsoft.App/containerApps');
});

test('what a command gives beside the parameter file is taken, also where the file does not name it', () => {
  const file = 'beside.bicepparam';
  writeFileSync(join(bench.folder, file), withExamples(read('infra/dev.bicepparam')));
  const given = { deployEntra: false, existingClientId: 'x', alertsEnabled: false };
  // As az hands it to the compiler (azure-cli, _build_bicepparam_file).
  const run = spawnSync(findBicep() ?? '', ['build-params', file, '--stdout'], {
    cwd: bench.folder,
    encoding: 'utf8',
    env: { ...process.env, BICEP_PARAMETERS_OVERRIDES: JSON.stringify(given) },
  });
  rmSync(join(bench.folder, file));
  expect(run.stderr).toBe('');
  const built = JSON.parse(String(at(JSON.parse(run.stdout), 'parametersJson'))) as unknown;
  for (const [name, value] of Object.entries(given))
    expect([name, at(built, 'parameters', name, 'value')]).toEqual([name, value]);
});

test('the test mailbox that acceptance.md shows compiles', async () => {
  const [shown = ''] = blocksOf(read('docs/acceptance.md'), 'bicep');
  const prediction = await bench.predict('dev.bicepparam', 'rg-x', (text) =>
    text.replace('param mailboxes = [\n', (line) => line + shown),
  );
  expect(prediction.outputs['mailboxAddresses']).toBe('acceptance@contoso.example');
});

test('the two forms of production differ in their network alone', () => {
  const lines = (file: string): readonly string[] =>
    read(file)
      .split('\n')
      .filter((line) => /^[^/]/.test(line));
  const [open, closed] = [lines('infra/prod.public.bicepparam'), lines('infra/prod.private.bicepparam')];
  const network = /^param (?:network|addressPrefix|fixedOutgoingAddress) = /;
  expect(open.filter((line) => !network.test(line))).toEqual(closed.filter((line) => !network.test(line)));
  expect(closed.filter((line) => network.test(line))).toHaveLength(3);
});

describe('the guide for an administrator', () => {
  const guide = read('docs/deployment.md');

  test('its first line says which product it is for', () => {
    expect(guide.split('\n')[2]).toMatch(/Efecte\/Matrix42 ESM/);
  });

  test('no command holds somebody else’s address or id', () => {
    for (const line of commandsOf(guide))
      expect(line).not.toMatch(/@[\w.]+\.example|[0-9a-f]{8}-[0-9a-f]{4}-/);
  });

  test('one figure for Exchange Online’s waits', () => {
    for (const page of [guide, read('infra/exchange/grantMailboxAccess.ps1')]) {
      expect(page).toContain('90 minutes');
      expect(page).not.toMatch(/up to (?:an hour|two hours|60 minutes)/);
    }
  });

  test('its first messages are what the operator API and the queue take', () => {
    const blocks = blocksOf(guide, 'sh').filter((one) => one.includes('RECIPIENT'));
    const run = spawnSync('bash', ['-u'], {
      input: [
        'APP=func-x',
        'out() { echo desk@contoso.example,hr@contoso.example; }',
        // What each command is given as its body or content; who is signed in, for the command that asks.
        'az() { case "$1 $2" in "account show") echo me@contoso.example ;; "rest --method") printf "%s\\n" "$5 ${11}" ;; "storage message") [ "$3" = peek ] || printf "%s\\n" "${13}" ;; esac; }',
        ...blocks,
      ].join('\n'),
      encoding: 'utf8',
    });
    expect(run.stderr).toBe('');
    const [asked = '', put = ''] = run.stdout.trim().split('\n');
    const [url = '', body = ''] = asked.split(' ');
    const route = routes.sendTest;
    expect(new URL(url).pathname).toBe(route.path);
    expect(route.body.parse(JSON.parse(body))).toEqual({
      mailbox: 'desk@contoso.example',
      to: 'me@contoso.example',
    });
    expect(submissionSchema.parse(JSON.parse(put))).toMatchObject({
      mailbox: 'desk@contoso.example',
      to: [{ address: 'me@contoso.example' }],
    });
  });

  test('the login comes before every other az command, and asks for one subscription', () => {
    const lines = commandsOf(guide);
    const first = lines.findIndex((line) => /(?:^|\$\()az /.test(line) && !line.startsWith('out()'));
    expect(lines.slice(first, first + 2)).toEqual([
      'az login',
      'az account set --subscription "$SUBSCRIPTION"',
    ]);
    for (const [index, line] of lines.entries())
      if (line === 'az login') expect(lines[index + 1]).toBe('az account set --subscription "$SUBSCRIPTION"');
  });

  test('registers every resource provider that the template uses', () => {
    const given = /^for NAMESPACE in ([\w ]+);/m.exec(guide)?.[1]?.split(' ') ?? [];
    const used = [...JSON.stringify(templates.main).matchAll(/"type":"Microsoft\.(\w+)\//g)].map(
      (match) => match[1] ?? '',
    );
    // Known to every subscription; and Graph is none of Azure's.
    const known = ['Authorization', 'Resources', 'Graph'];
    expect(used).toContain('Storage');
    expect(new Set([...given, ...known])).toEqual(new Set([...used, ...known]));
  });

  test('whoever has the rights in Entra gets every variable of their commands in the file', () => {
    const blocksOfEntra = blocksOf(guide, 'sh').filter((block) => /declare -p|ENTRA_GROUP/.test(block));
    expect(blocksOfEntra).toHaveLength(2);
    const [mine = '', theirs = ''] = blocksOfEntra;
    const sent = /^declare -p ([A-Z ]+) > /m.exec(mine)?.[1]?.split(' ') ?? [];
    const used = [...theirs.matchAll(/\$([A-Z_]+)/g)].map((match) => match[1] ?? '');
    expect([...new Set(used)].toSorted()).toEqual([...sent, 'ENTRA_GROUP'].toSorted());
    for (const name of sent) expect(mine).toMatch(new RegExp(`^${name}=`, 'm'));
    expect(theirs).not.toContain('$(out ');
  });

  test('says how to come back after a wait, how to cut over and how to look at the region', () => {
    for (const heading of ['## Coming back after a wait', '## 10. Cut-over', '## 9. Before it stays']) {
      expect(guide).toContain(heading);
    }
    expect(guide).toContain('az functionapp list-flexconsumption-runtimes');
    expect(guide).toContain('`fetchFrom`');
  });
});

describe('the workflow', () => {
  test('offers the parameter files that there are', () => {
    const options = /options: \[([\w., -]+)\]/.exec(workflow)?.[1]?.split(', ') ?? [];
    expect(options).toEqual(['dev', 'prod.public', 'prod.private']);
    for (const option of options) expect(bench.files()).toContain(`${option}.bicepparam`);
  });

  test.each(['deploy.yml', 'ci.yml'])(
    '%s: each action is pinned by commit, with its version beside it',
    (file) => {
      const uses = read(`.github/workflows/${file}`)
        .split('\n')
        .filter((line) => /^ *-? *uses:/.test(line));
      expect(uses.length).toBeGreaterThan(2);
      for (const line of uses) expect(line).toMatch(/uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
    },
  );

  test('installs one version of the publish command, the guide’s', () => {
    const version = /azure-functions-core-tools@(\S+)/.exec(workflow)?.[1] ?? '';
    expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    expect(chapter).toContain(version.replace(/\.\d+$/, ''));
  });

  test('looks before and after, and leaves Entra alone', () => {
    const order = [
      'group what-if',
      'name: Template',
      'func azure functionapp publish',
      'functionapp function list',
      '/api/health',
      'npm run doctor',
      'name: Alerts on',
    ];
    const places = order.map((step) => workflow.lastIndexOf(step));
    expect(places.every((place) => place > 0)).toBe(true);
    expect(places).toEqual(places.toSorted((one, other) => one - other));
    for (const line of workflow.split('\n').filter((one) => one.includes('az deployment group create'))) {
      expect(line).toContain('deployEntra=false');
    }
  });

  test('waits for functions that the code has', () => {
    const waited = /for name in ([\w ]+); do/.exec(workflow)?.[1]?.split(' ') ?? [];
    expect(waited.length).toBeGreaterThan(2);
    for (const name of waited)
      expect([name, existsSync(join(root, `functions/${name}.ts`))]).toEqual([name, true]);
  });

  test('signs in without a secret', () => {
    expect(workflow).toContain('id-token: write');
    expect(workflow).not.toMatch(/secrets\./);
  });
});

test('azd finds its template, and the app by its tag', () => {
  const azure = read('azure.yaml');
  expect(azure).toContain('path: infra/azd');
  expect(bench.files()).toContain('azd/main.bicep');
  // `out` of the guide reads the deployment of this name in the resource group.
  expect(read('infra/azd/main.bicep')).toContain("  name: 'mail-bridge'\n");
  expect(azure).toMatch(/^services:\n {2}mail:\n/m);
  // azd would otherwise build JavaScript in Azure.
  expect(azure).toContain('    remoteBuild: false\n');
  expect(read('infra/modules/app.bicep')).toContain(`'azd-service-name': 'mail'`);
});
