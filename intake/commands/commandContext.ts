import type { Clock } from '../../shared/clock.ts';
import type { IntakeSettings } from '../settings/intakeSettings.ts';
import type { SpoolFiles } from '../spool/files.ts';

/** What each command has; commands answer with an exit status. */
export interface CommandContext {
  readonly settings: IntakeSettings;
  readonly files: SpoolFiles;
  readonly clock: Clock;
  readonly print: (line: string) => void;
}
