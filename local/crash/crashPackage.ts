// The package as it is deployed, but for one number of the host: a call that failed comes again after two seconds
// instead of thirty, so that a run stays within fifteen.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { buildPackage } from '../build/buildPackage.ts';

const hostJson = z.looseObject({
  extensions: z.looseObject({ queues: z.looseObject({ visibilityTimeout: z.string() }) }),
});

/** Builds it into `appFolder`. Throws if host.json has no such number. */
export async function buildCrashPackage(appFolder: string): Promise<void> {
  await buildPackage(appFolder);
  const path = join(appFolder, 'host.json');
  const host = hostJson.parse(JSON.parse(readFileSync(path, 'utf8')));
  host.extensions.queues.visibilityTimeout = '00:00:02';
  writeFileSync(path, JSON.stringify(host));
}
