// The Bicep CLI: where it is, and how to have it if it is not. A deployment needs nothing of this (the Azure
// CLI brings its own); the checks of infra/ do, and they want the version that they were written against.
//   node local/start.mjs local/build/bicep.ts
// finds it or restores it from NuGet into .local/bicep/ (the .NET SDK is needed for that), and prints its path.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The CLI's version that the checks of infra/ were written against. */
export const bicepVersion = '0.49.2';

const root = join(import.meta.dirname, '..', '..');
const folder = join(root, '.local', 'bicep');
const program = process.platform === 'win32' ? 'bicep.exe' : 'bicep';

/**
 * The path of a Bicep CLI: what `BICEP` names, else the one restored here, else `bicep` on the path, else the
 * one that `az bicep install` leaves in the home folder. Undefined if there is none.
 */
export function findBicep(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const named = environment['BICEP'];
  if (named !== undefined && named !== '') return existsSync(named) ? named : undefined;
  const folders = (environment['PATH'] ?? '').split(delimiter).filter((one) => one !== '');
  const candidates = [
    restoredPath(),
    ...folders.map((one) => join(one, program)),
    join(homedir(), '.azure', 'bin', program),
  ];
  return candidates.find((path) => path !== undefined && existsSync(path));
}

/** NuGet's package of the self-contained CLI for this machine. */
function packageName(): string | undefined {
  const systems: Partial<Record<NodeJS.Platform, string>> = { linux: 'linux', darwin: 'osx', win32: 'win' };
  const system = systems[process.platform];
  const known = process.arch === 'x64' || process.arch === 'arm64';
  return system === undefined || !known ? undefined : `azure.bicep.commandline.${system}-${process.arch}`;
}

function restoredPath(): string | undefined {
  const name = packageName();
  return name === undefined ? undefined : join(folder, 'packages', name, bicepVersion, 'tools', program);
}

/** Restores the CLI from NuGet into .local/bicep/. */
function restoreBicep():
  | { readonly kind: 'restored'; readonly path: string }
  | { readonly kind: 'failed'; readonly detail: string } {
  const name = packageName();
  const path = restoredPath();
  if (name === undefined || path === undefined) {
    return { kind: 'failed', detail: `there is no package of it for ${process.platform}-${process.arch}` };
  }
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'bicep.csproj'), project(name));
  const { status, error, stdout, stderr } = spawnSync('dotnet', ['restore', folder], { encoding: 'utf8' });
  if (error !== undefined) return { kind: 'failed', detail: `the .NET SDK is not here (${error.message})` };
  if (status !== 0) return { kind: 'failed', detail: `dotnet restore failed:\n${stdout}${stderr}` };
  if (!existsSync(path)) return { kind: 'failed', detail: `dotnet restore left nothing at ${path}` };
  chmodSync(path, 0o755);
  return { kind: 'restored', path };
}

function project(name: string): string {
  return `<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <TargetFramework>net8.0</TargetFramework>
    <RestorePackagesPath>packages</RestorePackagesPath>
  </PropertyGroup>
  <ItemGroup>
    <PackageDownload Include="${name}" Version="[${bicepVersion}]" />
  </ItemGroup>
</Project>
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const found = findBicep();
  if (found !== undefined) {
    console.log(found);
  } else {
    const answer = restoreBicep();
    if (answer.kind === 'restored') console.log(answer.path);
    else {
      console.error(`No Bicep CLI: ${answer.detail}. "az bicep install" gives one too.`);
      process.exitCode = 1;
    }
  }
}
