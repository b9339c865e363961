// The lint rules of the house: typescript-eslint's type-checked set, and what must be injected rather than taken.
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

const injected = [
  {
    selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']",
    message: 'Use a Clock (base/clock.ts).',
  },
  { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'Use a Clock (base/clock.ts).' },
  { selector: 'CallExpression[callee.name=/^(setTimeout|setInterval)$/]', message: 'Use a Clock (base/clock.ts).' },
  {
    selector: "CallExpression[callee.object.name='Math'][callee.property.name='random']",
    message: 'Use a Random (base/random.ts).',
  },
  {
    selector: "CallExpression[callee.object.name='process'][callee.property.name='exit']",
    message: 'Only cli/ ends the process.',
  },
  { selector: 'ExportDefaultDeclaration', message: 'Export by name.' },
  { selector: 'TSAsExpression > TSAsExpression > TSUnknownKeyword', message: 'No casts through unknown.' },
];

export default defineConfig(
  { ignores: ['dist/', 'node_modules/', 'out/', 'coverage/', '**/*.js', '**/*.mjs'] },
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      // An import whose names are all types would still load the module.
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      '@typescript-eslint/no-non-null-assertion': 'off',
      'max-lines': ['error', { max: 450, skipBlankLines: false }],
      'max-lines-per-function': ['error', { max: 80, skipComments: true, IIFEs: false }],
      complexity: ['error', 25],
      'no-restricted-syntax': ['error', ...injected],
      eqeqeq: 'error',
      'prefer-const': 'error',
    },
  },
  {
    files: ['**/*.ts'],
    ignores: ['base/node-files.ts', 'base/lock.ts', 'cli/**', 'test/**', 'bench/**', '*.config.ts'],
    rules: {
      'no-console': 'error',
      'no-restricted-imports': [
        'error',
        {
          paths: ['fs', 'node:fs', 'node:fs/promises'].map((name) => ({ name, message: 'Go through base/files.ts.' })),
        },
      ],
    },
  },
  {
    files: ['agents/**', 'base/**', 'broker/**', 'cli/**', 'pipelines/**', 'sinks/**'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          paths: ['node:http', 'node:https'].map((name) => ({
            name,
            allowTypeImports: true,
            message: 'Take it from base/http.ts.',
          })),
        },
      ],
    },
  },
  { files: ['base/clock.ts', 'base/random.ts'], rules: { 'no-restricted-syntax': 'off' } },
  {
    files: ['cli/**', 'test/**', 'bench/**', '*.config.ts'],
    rules: { 'no-restricted-syntax': 'off', 'max-lines-per-function': 'off' },
  },
);
