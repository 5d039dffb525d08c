import { run } from './daemon.ts'

// Before all else: without a handler Node answers SIGUSR1 by opening its debugger on a TCP port.
process.on('SIGUSR1', () => undefined)

void run().then((status) => {
  process.exitCode = status
})
