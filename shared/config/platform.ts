// The only place that reads the process's environment.
import type { Environment } from './problems.ts';

/** The settings as the platform gives them: the Function App's application settings. */
export const platformEnvironment = (): Environment => process.env;

/** Whether an administrator has switched a function off (`AzureWebJobs.NAME.Disabled`). */
export const isFunctionOff = (name: string): boolean =>
  ['.', '__', '_'].some((mark) =>
    /^(true|1)$/i.test(process.env[`AzureWebJobs${mark}${name}${mark}Disabled`] ?? ''),
  );

/** Whether App Service authentication is on. The platform sets this; no template and no setting of ours ever does. */
export const isAuthenticationOn = (): boolean => /^true$/i.test(process.env['WEBSITE_AUTH_ENABLED'] ?? '');

/** EVENTS_TO as it is written. A value that can't be read is nobody's: the settings report it, and this never throws. */
export const eventsTo = (): string => process.env['EVENTS_TO']?.trim().toLowerCase() ?? '';
