import type { Group } from '../check.js'
import { announcements } from './core-announcements.js'
import { head } from './core-head.js'
import { numbers } from './core-numbers.js'
import { options } from './core-options.js'
import { override } from './core-override.js'
import { patch } from './core-patch.js'
import { pipelines } from './core-pipelines.js'
import { version } from './core-version.js'

/** The core protocol. The checks of each header and request are in a file of their own. */
export const core: Group = {
  name: 'core',
  checks: [
    ...numbers,
    ...version,
    ...override,
    ...head,
    ...patch,
    ...pipelines,
    ...options,
    ...announcements,
  ],
}
