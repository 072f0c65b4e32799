// npm run dependencies: writes docs/dependencies.md: each package, what it adds, how large it is, and why it is there.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'prettier';
import { dependencyPage } from '../build/dependencyPage.ts';
import { commandLine } from '../commandLine/commandLine.ts';

commandLine(import.meta.filename, {});
const file = join(import.meta.dirname, '..', '..', 'docs', 'dependencies.md');
writeFileSync(file, await format(dependencyPage(), { parser: 'markdown', printWidth: 120 }));
