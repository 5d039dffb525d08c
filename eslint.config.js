import { builtinModules } from 'node:module'
import tseslint from 'typescript-eslint'

/** Imports that a folder may not have: the walls of CONTRIBUTING.md, "Directions". */
function wall(files, patterns, extra = {}) {
  return {
    files,
    ...extra,
    rules: { 'no-restricted-imports': ['error', { patterns }] },
  }
}

const openid = { group: ['openid-client', 'jose', 'undici'], message: 'only in agent/oidc' }
const sodium = { group: ['libsodium-wrappers-sumo'], message: 'only in protocol/sodium.ts' }
const commander = { group: ['commander'], message: 'only in cli' }
const envPaths = { group: ['env-paths'], message: 'only in protocol/config-directory.ts' }
const koffi = { group: ['koffi'], message: 'only in agent/process' }
const noCli = { group: ['**/cli/**'], message: 'cli and agent never import each other' }
const noAgent = { group: ['**/agent/**'], message: 'cli and agent never import each other' }
const noHttp = {
  group: ['node:http', 'node:https', 'node:tls', 'http', 'https'],
  message: 'the network is agent/oidc, the redirect of a login agent/login',
}

export default tseslint.config(
  { ignores: ['dist/**', 'coverage/**', 'node_modules/**'] },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: { allowDefaultProject: ['eslint.config.js', 'build.mjs'] } },
    },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      complexity: ['error', 10],
      'max-depth': ['error', 3],
      'max-params': ['error', 4],
      'max-lines': ['error', { max: 300 }],
      'no-console': 'error',
      'no-restricted-imports': [
        'error',
        { paths: builtinModules.map((name) => ({ name, message: `write node:${name}` })) },
      ],
    },
  },
  { files: ['*.js', '*.mjs', '*.ts'], ...tseslint.configs.disableTypeChecked },
  wall(['protocol/**/*.ts'], [openid, sodium, commander, envPaths, koffi, noCli, noAgent, noHttp], {
    ignores: ['**/*.test.ts', 'protocol/sodium.ts', 'protocol/config-directory.ts'],
  }),
  wall(['protocol/sodium.ts'], [openid, commander, envPaths, koffi, noCli, noAgent, noHttp]),
  wall(
    ['protocol/config-directory.ts'],
    [openid, sodium, commander, koffi, noCli, noAgent, noHttp],
  ),
  wall(['agent/**/*.ts'], [openid, sodium, commander, envPaths, koffi, noCli, noHttp], {
    ignores: ['**/*.test.ts', 'agent/oidc/**', 'agent/process/**', 'agent/login/**'],
  }),
  // The browser comes back to a web server of the agent's own, on the loopback addresses only.
  wall(['agent/login/**/*.ts'], [openid, sodium, commander, envPaths, koffi, noCli], {
    ignores: ['**/*.test.ts'],
  }),
  wall(['agent/process/**/*.ts'], [openid, sodium, commander, envPaths, noCli, noHttp]),
  wall(
    ['agent/oidc/**/*.ts'],
    [
      sodium,
      commander,
      envPaths,
      koffi,
      noCli,
      {
        group: [
          'node:net',
          '../server*',
          '../dispatch*',
          '../handlers/**',
          '../accounts/**',
          '../tokens/**',
        ],
        message: 'oidc knows no sockets, no files, no account state',
      },
    ],
    { ignores: ['**/*.test.ts'] },
  ),
  wall(['cli/**/*.ts'], [openid, sodium, envPaths, koffi, noAgent, noHttp], {
    ignores: ['**/*.test.ts', 'cli/oidc-token/inspect/signature.ts'],
  }),
  // Signatures of tokens people look at are checked here, so that no token goes to the agent for it:
  // jose is the one to do that. The keys still come through the agent.
  wall(
    ['cli/oidc-token/inspect/signature.ts'],
    [
      { group: ['openid-client', 'undici'], message: 'only in agent/oidc' },
      sodium,
      commander,
      envPaths,
      koffi,
      noAgent,
      noHttp,
    ],
  ),
  // The vocabulary is one file on purpose: every request and reply is read in one place.
  { files: ['protocol/messages.ts'], rules: { 'max-lines': ['error', { max: 500 }] } },
  { files: ['**/*.test.ts', 'test/**/*.ts'], rules: { 'max-lines': ['error', { max: 400 }] } },
)
