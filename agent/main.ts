import { run } from './daemon.ts'
import { startFileThreads } from './file-answers.ts'

/** How long the end may take after the agent has saved everything, milliseconds. */
const END_MS = 300

// Before all else: without a handler Node answers SIGUSR1 by opening its debugger on a TCP port.
process.on('SIGUSR1', () => undefined)
startFileThreads(process.env)

void run().then((status) => {
  process.exitCode = status
  // Node would wait for its threads, and one that a dead mount holds never comes back.
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), END_MS).unref()
})
