// npm run screenshots: makes the pictures of the operator's page in docs/pictures/, from made-up figures, with the Chromium of
// the tests.
//
//   --chromium PATH   another browser than /usr/bin/chromium
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { commandLine } from '../commandLine/commandLine.ts';
import { overviewView } from '../../shared/ops/page/overviewView.ts';
import { makeOverview } from '../../shared/ops/overview.ts';
import { pageAnswer } from '../../shared/web/page.ts';
import { html } from 'hono/html';
import { sampleNow, sampleOverview } from '../screenshots/sample.ts';

const { values: flags } = commandLine(import.meta.filename, {
  options: { chromium: { type: 'string', default: '/usr/bin/chromium' } },
});
const folder = join(import.meta.dirname, '..', '..', 'docs', 'pictures');
mkdirSync(folder, { recursive: true });

const shown = {
  person: { name: 'aino@kunta.example', objectId: 'a1', by: 'session', isAdministrator: true },
  token: '',
  setCookie: '',
  query: new URLSearchParams(),
  script: '',
} as const;
const { body } = await pageAnswer({
  status: 200,
  title: 'Overview',
  content: html`${overviewView(makeOverview(sampleOverview), sampleNow, { shown, root: '/api/ops' })}`,
  header: html`<strong>Mail bridge</strong> <a href="#">Overview</a> <a href="#">Messages</a>
    <a href="#">Connect</a> <a href="#">Audit</a> <a href="#">Settings</a
    ><span>aino@kunta.example · <a href="#">Sign out</a></span>`,
});
// Root has no sandbox in Chromium.
const browser = await chromium.launch({ executablePath: flags.chromium, args: ['--no-sandbox'] });
try {
  for (const { name, width, height, colorScheme } of [
    { name: 'overview', width: 1280, height: 1000, colorScheme: 'light' },
    { name: 'overviewPhone', width: 360, height: 780, colorScheme: 'dark' },
  ] as const) {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme });
    const page = await context.newPage();
    await page.setContent(body);
    await page.screenshot({ path: join(folder, `${name}.png`) });
    await context.close();
    console.log(`docs/pictures/${name}.png`);
  }
} finally {
  await browser.close();
}
