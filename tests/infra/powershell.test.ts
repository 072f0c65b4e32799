// The script for Exchange Online, parsed. What its cmdlets do is Exchange Online's to say; that it is PowerShell,
// and which cmdlets it calls, can be said here.
import { beforeAll, describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root } from './bench.ts';

interface Node {
  readonly hasError: boolean;
  readonly text: string;
  descendantsOfType(type: string): readonly (Node | null)[];
}

const script = readFileSync(join(root, 'infra/exchange/grantMailboxAccess.ps1'), 'utf8');
let parse: (source: string) => Node;

beforeAll(async () => {
  const require = createRequire(import.meta.url);
  const { Parser, Language } = require('@vscode/tree-sitter-wasm') as {
    Parser: {
      init(): Promise<void>;
      new (): { setLanguage(language: unknown): void; parse(source: string): { rootNode: Node } };
    };
    Language: { load(path: string): Promise<unknown> };
  };
  await Parser.init();
  const language = await Language.load(
    require.resolve('@vscode/tree-sitter-wasm/wasm/tree-sitter-powershell.wasm'),
  );
  const parser = new Parser();
  parser.setLanguage(language);
  parse = (source) => parser.parse(source).rootNode;
});

describe('grantMailboxAccess.ps1', () => {
  test('is PowerShell', () => {
    expect(parse(script).hasError).toBe(false);
  });

  test('the check bites: a lost brace is found', () => {
    expect(parse(script.replace(/\}\s*$/, '').replace(/\}(?=[^}]*$)/, '')).hasError).toBe(true);
  });

  test('calls these cmdlets of Exchange Online, and no other', () => {
    const commands = parse(script)
      .descendantsOfType('command_name')
      .map((node) => node?.text ?? '');
    const language =
      /^(Where-Object|Select-Object|Format-Table|Out-Null|Write-Host|Set-StrictMode|Get-Command)$/;
    expect([...new Set(commands)].filter((name) => !language.test(name)).toSorted()).toEqual([
      'Add-MailboxPermission',
      'Add-RecipientPermission',
      'Get-CASMailbox',
      'Get-MailboxPermission',
      'Get-RecipientPermission',
      'Get-ServicePrincipal',
      'New-ServicePrincipal',
      'Set-CASMailbox',
      'Test-ServicePrincipalAuthorization',
    ]);
  });

  test('nothing is changed under -WhatIf: each change stands behind ShouldProcess', () => {
    expect(script).toContain('[CmdletBinding(SupportsShouldProcess)]');
    const changes = [
      ...script.matchAll(/^ *(?:\$principal = )?((?:Add|Set|New)-\w+) (?!.*StrictMode)/gm),
    ].filter((match) => match[1] !== 'Set-StrictMode');
    expect(changes).toHaveLength(5);
    const lines = script.split('\n');
    for (const change of changes) {
      const line = script.slice(0, change.index).split('\n').length - 1;
      expect([change[1], lines.slice(line - 2, line).join('\n')]).toEqual([
        change[1],
        expect.stringContaining('$PSCmdlet.ShouldProcess('),
      ]);
    }
  });

  test('each change is made only where it is not so already', () => {
    for (const [look, change] of [
      ['Get-ServicePrincipal', 'New-ServicePrincipal'],
      ['Get-MailboxPermission', 'Add-MailboxPermission'],
      ['Get-CASMailbox', 'Set-CASMailbox'],
      ['Get-RecipientPermission', 'Add-RecipientPermission'],
    ] as const) {
      const body = script.slice(script.indexOf('$ErrorActionPreference'));
      expect(body.indexOf(`${look} `)).toBeGreaterThan(0);
      expect(body.indexOf(`${look} `)).toBeLessThan(body.lastIndexOf(`${change} -`));
    }
  });
});
