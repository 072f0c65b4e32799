import tseslint from 'typescript-eslint';

const fromClock = 'Time comes from the injected Clock (shared/clock.ts).';
const ambient = [
  { selector: "MemberExpression[object.name='Date'][property.name='now']", message: fromClock },
  { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: fromClock },
  { selector: "MemberExpression[object.name='performance'][property.name='now']", message: fromClock },
  {
    selector: "MemberExpression[object.name='Math'][property.name='random']",
    message: 'Randomness is injected.',
  },
  {
    selector: 'CallExpression[callee.name=/^set(Timeout|Interval|Immediate)$/]',
    message: 'Sleep through the Clock.',
  },
  {
    selector: "MemberExpression[object.name='process'][property.name='env']",
    message: 'Settings are read once, in shared/config.',
  },
];
/** One dialect in all shipped code. */
const dialect = [
  { selector: 'TSEnumDeclaration', message: 'Use a string union.' },
  { selector: ':matches(PropertyDefinition, MethodDefinition)[accessibility]', message: 'Use #private.' },
  {
    selector: 'VariableDeclarator > Identifier.id[name=/^[A-Z][A-Z0-9_]+$/]',
    message: 'Constants are lowerCamel.',
  },
];

export default tseslint.config(
  {
    ignores: [
      'dist',
      'dist-intake',
      'node_modules',
      '.local',
      'coverage',
      '*.config.js',
      '*.cjs',
      'tests/**/planted/**',
    ],
  },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: false, requireDefaultForNonUnion: true },
      ],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      'no-restricted-syntax': ['error', ...ambient, ...dialect],
    },
  },
  { files: ['functions/**'], rules: { complexity: ['error', 2] } },
  {
    files: ['shared/config/**', 'shared/clock.ts'],
    rules: { 'no-restricted-syntax': ['error', ...dialect] },
  },
  { files: ['tests/**', 'local/**'], rules: { 'no-restricted-syntax': 'off' } },
  // The launchers run on Node 20 before anything is installed: plain JavaScript, checked without types.
  { files: ['**/*.mjs'], ...tseslint.configs.disableTypeChecked },
);
