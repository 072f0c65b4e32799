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
      /^(Where-Object|ForEach-Object|Select-Object|Format-Table|Out-Null|Write-Host|Set-StrictMode|Start-Sleep|Get-Command|Invoke-WithRetry|\$Action)$/;
    expect([...new Set(commands)].filter((name) => !language.test(name)).toSorted()).toEqual([
      'Add-MailboxPermission',
      'Add-RecipientPermission',
      'Get-AuthenticationPolicy',
      'Get-CASMailbox',
      'Get-MailboxPermission',
      'Get-ManagementRoleAssignment',
      'Get-ManagementScope',
      'Get-OrganizationConfig',
      'Get-RecipientPermission',
      'Get-ServicePrincipal',
      'Get-TransportConfig',
      'New-ManagementRoleAssignment',
      'New-ManagementScope',
      'New-ServicePrincipal',
      'Set-CASMailbox',
      'Set-ManagementScope',
    ]);
  });

  test('nothing is changed under -WhatIf: each change stands behind ShouldProcess', () => {
    expect(script).toContain('[CmdletBinding(SupportsShouldProcess)]');
    const changes = [
      ...script.matchAll(
        /^ *(?:\$principal = |Invoke-WithRetry \{ )?((?:Add|Set|New)-\w+) (?!.*StrictMode)/gm,
      ),
    ].filter((match) => match[1] !== 'Set-StrictMode');
    expect(changes).toHaveLength(8);
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
      ['Get-ManagementScope', 'New-ManagementScope'],
      ['Get-ManagementRoleAssignment', 'New-ManagementRoleAssignment'],
    ] as const) {
      const body = script.slice(script.indexOf('$ErrorActionPreference'));
      expect(body.indexOf(`${look} `)).toBeGreaterThan(0);
      expect(body.indexOf(`${look} `)).toBeLessThan(body.lastIndexOf(`${change} -`));
    }
  });

  test('what follows the new service principal at once is tried again: it is not known everywhere yet', () => {
    for (const change of [
      'Add-MailboxPermission',
      'Add-RecipientPermission',
      'New-ManagementRoleAssignment',
    ]) {
      expect(script).toContain(`Invoke-WithRetry { ${change} `);
    }
  });

  test('the prerequisites that it can’t set are named and printed', () => {
    const printed = script.slice(script.indexOf('# 0.'), script.indexOf('# 1.'));
    expect(printed).toContain('Security defaults must be off');
    expect(printed).toContain('DefaultAuthenticationPolicy');
    expect(printed).toContain('AllowBasicAuthSmtp');
  });

  test('sending only gives no right to read, and says what is lost', () => {
    const parsed = parse(script);
    const branch = parsed
      .descendantsOfType('if_statement')
      .map((node) => node?.text ?? '')
      .find((text) => text.startsWith('if ($SendOnly -and'));
    expect(branch).toContain('Application SMTP.SendAsApp');
    expect(branch).not.toContain('FullAccess');
    expect(script).toMatch(/if \(\$SendOnly\) \{ continue \}\n[^]*FullAccess/);
    for (const lost of ['Sent Items', 'every doubt waits for a person', 'bounces'])
      expect(script).toContain(lost);
  });

  test('IMAP is switched on for the accounts that delegated mailboxes send through as well', () => {
    const protocols = script.slice(script.indexOf('# 3.'), script.indexOf('# 4.'));
    expect(protocols).toContain('@($ApplicationMailbox) + @($SmtpAccount)');
    expect(protocols).toContain('-ImapEnabled $true');
  });
});
