import type { MessagePort } from 'node:worker_threads'
import { threadId } from 'node:worker_threads'
import { serve } from '../../server/files/channel.js'

/** What the thread of a test is asked. */
export type TestTask = 'who' | 'never' | 'exit' | 'throw' | 'eat'

/** A thread for a test, which ends in several ways. Piscina calls this. */
export default function start({ port }: { port: MessagePort }): Promise<void> {
  return serve(port, run)
}

function run(task: TestTask): unknown {
  if (task === 'who') return threadId
  if (task === 'exit') process.exit(3)
  if (task === 'throw') {
    setImmediate(() => {
      throw new Error('a deliberate fault')
    })
  }
  const eaten: unknown[] = []
  while (task === 'eat') eaten.push(new Array(100_000).fill(eaten.length))
  return new Promise(() => {})
}
