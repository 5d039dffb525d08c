import { builtinModules } from 'node:module'
import tseslint from 'typescript-eslint'

/**
 * The rooms of the house, each with the rooms it may import from; a room may always import from itself.
 * The drawing in CONTRIBUTING.md shows this table. As each room comes after all that it imports from,
 * there is no circle between rooms.
 */
const rooms = {
  'protocol/wire': [],
  'protocol/client': ['protocol/wire'],
  'protocol/storage': ['protocol/wire'],
  'agent/process': ['protocol/wire', 'protocol/storage'],
  'agent/http': ['protocol/wire', 'protocol/storage'],
  'agent/providers': ['agent/http'],
  'agent/oauth': ['agent/providers'],
  'agent/accounts': ['agent/oauth'],
  'agent/tokens': ['agent/accounts'],
  'agent/token-files': ['agent/tokens'],
  'agent/login': ['agent/token-files'],
  'agent/handlers': ['agent/login'],
  cli: ['protocol/client', 'protocol/storage', 'protocol/wire'],
}

/** Everything a room may import from, in any number of steps. */
function reach(room) {
  return new Set(rooms[room].flatMap((other) => [other, ...reach(other)]))
}

/** Packages and modules that enter by one door each. */
const doors = [
  { names: ['openid-client', 'undici'], rooms: ['agent/oauth'] },
  { names: ['jose'], rooms: ['agent/oauth'], files: ['cli/oidc-token/inspect/signature.ts'] },
  { names: ['libsodium-wrappers-sumo'], files: ['protocol/wire/sodium.ts'] },
  { names: ['commander'], files: ['cli/help.ts'] },
  { names: ['env-paths'], files: ['protocol/storage/config-directory.ts'] },
  { names: ['koffi'], rooms: ['agent/process'] },
  // The browser comes back to a web server of the agent's own, on the loopback addresses only.
  { names: ['node:http', 'node:https', 'node:tls'], rooms: ['agent/http', 'agent/login'] },
]

/** Files of the agent that only the room of handlers, beside the agent's own files, may import. */
const composition = ['context', 'daemon', 'dispatch', 'main', 'server']

const bareBuiltins = builtinModules.map((name) => ({ name, message: `write node:${name}` }))

function restricted(patterns) {
  return { 'no-restricted-imports': ['error', { paths: bareBuiltins, patterns }] }
}

/** What a file in `room` may not import; `file`: the one that is checked, where it is a door. */
function patternsOf(room, file) {
  const open = reach(room)
  const closed = Object.keys(rooms).filter((other) => other !== room && !open.has(other))
  const shut = doors.filter(
    (door) => door.rooms?.includes(room) !== true && door.files?.includes(file) !== true,
  )
  return [
    {
      group: closed.map((other) => `**/${other.replace(/^(?:agent|protocol)\//, '')}/**`),
      message: `${room} does not import from there: see "rooms" in eslint.config.js`,
    },
    ...(room.startsWith('agent/') && room !== 'agent/handlers'
      ? [
          {
            group: composition.map((name) => `../${name}.ts`),
            message: 'only the room of handlers knows how the agent is put together',
          },
        ]
      : []),
    ...(room.startsWith('protocol/') || room === 'cli'
      ? [{ group: ['**/agent/**'], message: 'only the agent imports from agent/' }]
      : []),
    ...shut.map(({ names, rooms: to = [], files = [] }) => ({
      group: names,
      message: `only in ${[...to, ...files].join(', ')}`,
    })),
  ]
}

const roomRules = Object.keys(rooms).map((room) => ({
  files: [`${room}/**/*.ts`],
  ignores: ['**/*.test.ts', 'cli/test-io.ts'],
  rules: restricted(patternsOf(room)),
}))

const doorRules = doors
  .flatMap(({ files = [] }) => files)
  .map((file) => {
    const room = Object.keys(rooms).find((one) => file.startsWith(`${one}/`))
    return { files: [file], rules: restricted(patternsOf(room, file)) }
  })

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
      'max-lines': ['error', { max: 350 }],
      'no-console': 'error',
      ...restricted([]),
    },
  },
  { files: ['*.js', '*.mjs', '*.ts'], ...tseslint.configs.disableTypeChecked },
  // The agent's own files put the rooms together: they are behind every door but those of cli.
  {
    files: ['agent/*.ts'],
    ignores: ['**/*.test.ts'],
    rules: restricted([
      { group: ['**/cli/**'], message: 'cli and agent never import each other' },
      {
        group: doors.flatMap(({ names }) => names),
        message: 'enters by one door: see "doors" in eslint.config.js',
      },
    ]),
  },
  ...roomRules,
  ...doorRules,
  // Every request and reply is read in one place, on purpose.
  { files: ['protocol/wire/messages.ts'], rules: { 'max-lines': ['error', { max: 550 }] } },
  { files: ['**/*.test.ts', 'test/**/*.ts'], rules: { 'max-lines': ['error', { max: 400 }] } },
)
