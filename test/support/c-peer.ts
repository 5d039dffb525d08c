import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type Finished, outputOf } from './command.ts'
import { until } from './process-table.ts'
import type { Sandbox, SandboxAgent } from './sandbox.ts'

const DIRECTORY = '/usr/bin'
const COMMANDS = ['oidc-agent', 'oidc-add', 'oidc-gen', 'oidc-token']
const HEADER = '/usr/include/oidc-agent/api.h'

/** Why the C programs cannot be run; undefined if Debian's package is installed. */
export const noPeerReason: string | undefined = findPeerReason()

/** Why a client of the C library cannot be compiled; undefined if it can. */
export const noLibraryReason: string | undefined = findLibraryReason()

/** A client of liboidc-agent, compiled here against the installed library. */
const LIBRARY_CLIENT = `
#include <oidc-agent/api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* account, audience or "", number of requests */
int main(int argc, char** argv) {
  const char* audience = argv[2][0] == 0 ? NULL : argv[2];
  int times = atoi(argv[3]);
  for (int i = 0; i < times; i++) {
    struct agent_response response =
        getAgentTokenResponse(argv[1], 0, NULL, "library client", audience);
    if (response.type != AGENT_RESPONSE_TYPE_TOKEN) {
      printf("%s\\n", response.error_response.error);
      return 1;
    }
    if (i == times - 1) {
      printf("%s\\n%s\\n%ld\\n", response.token_response.token,
             response.token_response.issuer,
             (long)response.token_response.expires_at);
    }
    secFreeAgentResponse(response);
  }
  return 0;
}
`

/** Compiles {@link LIBRARY_CLIENT}. Returns the path of the program. */
export async function libraryClient(sandbox: Sandbox): Promise<string> {
  const source = await sandbox.file('client.c', LIBRARY_CLIENT)
  const program = join(sandbox.directory, 'client')
  outputOf(await sandbox.run('gcc', ['-O2', '-o', program, source, '-loidc-agent']))
  return program
}

/** Runs a command of the C program, in the sandbox. */
export function runPeer(
  sandbox: Sandbox,
  command: string,
  args: readonly string[],
  options: Parameters<Sandbox['run']>[2] = {},
): Promise<Finished> {
  return sandbox.run(join(DIRECTORY, command), args, options)
}

/** Starts the C agent in the sandbox, for the commands there. Resolves when it accepts connections. */
export async function startPeerAgent(sandbox: Sandbox): Promise<SandboxAgent> {
  // The started process ends before its child prints: wait for the end of the pipe.
  const agent = sandbox.adopt(outputOf(await runPeer(sandbox, 'oidc-agent', [])))
  // It prints before it binds and listens (strace of 4.2.6): a command started at once may be too
  // early.
  await until('the C agent to listen', () => accepts(agent.socketPath))
  return agent
}

async function accepts(socketPath: string): Promise<boolean> {
  const socket = connect(socketPath)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

function findPeerReason(): string | undefined {
  const missing = COMMANDS.filter((name) => !existsSync(join(DIRECTORY, name)))
  if (missing.length > 0) return 'oidc-agent-cli of Debian is not installed'
  // Our own command, if installed there, is a script.
  const isProgram = readFileSync(join(DIRECTORY, 'oidc-token')).subarray(1, 4).toString() === 'ELF'
  return isProgram ? undefined : `${DIRECTORY}/oidc-token is not the C program`
}

function findLibraryReason(): string | undefined {
  if (noPeerReason !== undefined) return noPeerReason
  if (!existsSync(HEADER)) return 'liboidc-agent-dev of Debian is not installed'
  return spawnSync('gcc', ['--version']).status === 0 ? undefined : 'gcc is not installed'
}
