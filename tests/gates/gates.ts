// The gates that every change passes before its tests run: one name, one command each.

export interface Gate {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
}

/** `npm run check`: format, lint, types, boundaries, dead code. Each fails on any finding. */
export const gates: readonly Gate[] = [
  { name: 'format', command: ['prettier', '--check', '--log-level', 'warn', '.'] },
  { name: 'lint', command: ['eslint', '--max-warnings', '0', '.'] },
  { name: 'types', command: ['tsc', '-p', '.'] },
  {
    name: 'boundaries',
    command: ['depcruise', '--config', '.dependency-cruiser.cjs', 'functions', 'shared', 'intake', 'local'],
  },
  { name: 'dead code', command: ['knip', '--no-progress'] },
];
