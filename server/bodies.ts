import type { IncomingMessage } from 'node:http'
import type { Config } from './config.js'
import { lendTo } from './http/lane.js'
import { Intake } from './intake/intake.js'
import type { IntakeTools } from './intake/intake-tools.js'

const BLOCKS_A_BODY = 16
const PACE_CHECKED_EVERY_MS = 250

/** Makes the body of a request: its socket, read into blocks. */
export function createBodies(config: Config, tools: Pick<IntakeTools, 'arena' | 'monotonic'>) {
  const { idleTimeoutMs, minRateBytesPerMinute } = config
  const limits = {
    blocks: BLOCKS_A_BODY,
    tickMs: PACE_CHECKED_EVERY_MS,
    idleTimeoutMs,
    minRateBytesPerMinute,
  }
  return (request: IncomingMessage, begins: () => void): Intake => {
    const length = request.headers['content-length']
    const bodyBytes = length === undefined ? null : Number(length)
    const intake = new Intake(request, { ...tools, limits, begins, bodyBytes })
    lendTo(intake, request)
    return intake
  }
}
