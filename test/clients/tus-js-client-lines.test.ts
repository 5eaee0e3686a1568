// waits
// time-limit: 600s

import { suite } from 'uvu'
import { idle } from '../helpers/health.js'
import { lineTests } from '../helpers/js-lines.js'
import { startServer } from '../helpers/server.js'
import { inFolder } from '../helpers/stored.js'

// Each server has its listener.
process.setMaxListeners(100)

const test = suite('tus-js-client over lines that fail')

lineTests(test, async (_, idleTimeout) => {
  const server = await startServer(['--idle-timeout', idleTimeout])
  return {
    ...{ server, stored: inFolder(server) },
    idle: () => idle(server),
    end: async () => void (await server.stop('SIGKILL')),
  }
})

test.run()
