// The one place that looks at the process's environment.
import type { Environment } from './problems.ts';

/** The settings as the platform gives them: the Function App's application settings. */
export const platformEnvironment = (): Environment => process.env;
