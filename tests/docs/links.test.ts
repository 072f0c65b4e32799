// What the pages refer to is there: files, headings, commands.
import { describe, expect, test } from '@jest/globals';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const root = join(import.meta.dirname, '..', '..');
const folders = ['.', 'docs', '.github'];
const pages = folders
  .filter((folder) => existsSync(join(root, folder)))
  .flatMap((folder) => readdirSync(join(root, folder)).map((name) => join(folder, name)))
  .filter((path) => path.endsWith('.md'));

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
/** Without fenced blocks, whose `#` and brackets are not Markdown's. */
const prose = (text: string): string => text.replace(/^ *```[^]*?^ *```/gm, '');

/** The anchors that GitHub makes of headings. */
function anchors(text: string): ReadonlySet<string> {
  const headings = [...prose(text).matchAll(/^#{1,6} +(.+)$/gm)].map(([, heading = '']) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .trim()
        .replace(/ /g, '-'),
    ),
  );
}

/** What is wrong with the links of a page at this path. */
function brokenLinks(path: string, text: string): readonly string[] {
  const links = [...prose(text).matchAll(/\]\(([^()\s]+)\)/g)].map(([, link = '']) => link);
  return links
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) => {
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? join(root, path) : resolve(root, dirname(path), file);
      if (!existsSync(target)) return true;
      if (anchor === undefined) return false;
      return !anchors(file === '' ? text : readFileSync(target, 'utf8')).has(anchor);
    });
}

const scripts: unknown = Reflect.get(JSON.parse(read('package.json')) as object, 'scripts');

/** Commands of npm that package.json does not have. */
function unknownCommands(text: string): readonly string[] {
  const named = [...text.matchAll(/\bnpm (?:run )?([a-z][a-z-]*)/g)].map(([, name = '']) => name);
  const npmsOwn = ['ci', 'install', 'audit', 'view'];
  return named.filter((name) => !npmsOwn.includes(name) && Reflect.get(Object(scripts), name) === undefined);
}

/** Paths of this project, named in code, that lead nowhere. */
function missingPaths(text: string): readonly string[] {
  const code = [...prose(text).matchAll(/`([^`\n]+)`/g)].flatMap(([, detail = '']) =>
    detail.split(/[\s,;]+/),
  );
  const paths = code.filter((word) =>
    /^(?:\.\/|\/)?(?:functions|shared|infra|local|tests|docs|\.github)\//.test(word),
  );
  return paths.filter((path) => !/[*<>]/.test(path) && !existsSync(join(root, path)));
}

test('the checks find what is wrong', () => {
  const text =
    '# A `code` page\n[a](none.md) [b](settings.md) [c](#a-code-page) [d](#elsewhere) [e](settings.md#none) [f](https://x.test/none)\n' +
    '`shared/none.ts` `shared/bridge.ts` `node local/none.ts --x` `docs/schemas/`\nnpm run none, npm run build, npm start\n' +
    '```\n[g](none)\n```\n';
  expect(brokenLinks('docs/cost.md', text)).toEqual(['none.md', '#elsewhere', 'settings.md#none']);
  expect(missingPaths(text)).toEqual(['shared/none.ts', 'local/none.ts']);
  expect(unknownCommands(text)).toEqual(['none']);
});

test('the pages are there', () => {
  expect(pages).toEqual(expect.arrayContaining(['README.md', 'CHANGELOG.md', 'docs/deployment.md']));
});

describe.each(pages)('%s', (path) => {
  const text = read(path);

  test('has no broken link', () => {
    expect(brokenLinks(path, text)).toEqual([]);
  });

  test('names files that are there', () => {
    expect(missingPaths(text)).toEqual([]);
  });

  test('names commands that are there', () => {
    expect(unknownCommands(text)).toEqual([]);
  });
});
