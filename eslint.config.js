import hooks from 'eslint-plugin-react-hooks'
import tseslint from 'typescript-eslint'

const guarded = {
  localStorage: 'Take `local` of lib/store.',
  sessionStorage: 'Take `perTab` of lib/store.',
  Notification: 'Take `notify` of lib/notify.',
  BroadcastChannel: 'Take `Tabs` of widget/tabs.',
  indexedDB: 'Take `local` of lib/store, or guard it in a file of its own.',
  caches: 'Take `local` of lib/store, or guard it in a file of its own.',
  cookieStore: 'The pages set no cookies.',
}

export default tseslint.config(
  { ignores: ['**/dist', '**/node_modules', '**/*.config.*', 'bin', 'deploy', 'web/build'] },
  tseslint.configs.recommendedTypeChecked,
  { languageOptions: { parserOptions: { projectService: true } } },
  {
    files: ['web/src/**'],
    plugins: { 'react-hooks': hooks },
    rules: hooks.configs.recommended.rules,
  },
  {
    // Where people deny them they are missing, null or throw: each is used in one place, which goes on without.
    files: ['web/src/**'],
    ignores: ['**/*.test.ts', 'web/src/lib/store.ts', 'web/src/lib/notify.ts', 'web/src/widget/tabs.ts'],
    rules: {
      'no-restricted-globals': ['error', ...Object.entries(guarded).map(([name, message]) => ({ name, message }))],
      'no-restricted-properties': [
        'error',
        ...['window', 'globalThis', 'self', 'top', 'parent'].flatMap((object) => Object.entries(guarded).map(([property, message]) => ({ object, property, message }))),
        { object: 'navigator', property: 'locks', message: guarded.BroadcastChannel },
        { object: 'document', property: 'cookie', message: 'The pages set none.' },
      ],
    },
  },
  {
    rules: {
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { attributes: false } }],
      '@typescript-eslint/no-floating-promises': 'error',
      'no-console': 'error',
    },
  },
  {
    // Scripts of a mini program: no modules, and no types.
    files: ['clients/wechat/**'],
    ...tseslint.configs.disableTypeChecked,
    rules: { ...tseslint.configs.disableTypeChecked.rules, '@typescript-eslint/no-require-imports': 'off' },
  },
  { files: ['**/*.test.ts'], rules: { 'no-console': 'off' } }, // tests tell what they measured
)
