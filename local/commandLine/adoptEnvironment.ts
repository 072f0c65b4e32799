import { spawnSync } from 'node:child_process';

/**
 * What client libraries read from the process itself: the identity's endpoint, and the authorities that TLS trusts.
 * Node reads the latter only when it starts, so if the running stack has an authority of its own the command restarts.
 */
export function adoptEnvironment(environment: Readonly<Record<string, string | undefined>>): void {
  const authority = environment['NODE_EXTRA_CA_CERTS'];
  if (authority !== undefined && process.env['NODE_EXTRA_CA_CERTS'] !== authority) {
    const { status } = spawnSync(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
      stdio: 'inherit',
      env: { ...environment, ...process.env, NODE_EXTRA_CA_CERTS: authority },
    });
    process.exit(status ?? 1);
  }
  for (const [name, value] of Object.entries(environment)) process.env[name] ??= value;
}
