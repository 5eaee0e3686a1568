import type { Group } from '../check.js'
import { checksum } from './checksum.js'
import { checksumTrailer } from './checksum-trailer.js'
import { concatenation } from './concatenation.js'
import { concatenationUnfinished } from './concatenation-unfinished.js'
import { core } from './core.js'
import { creation } from './creation.js'
import { creationDeferLength } from './creation-defer-length.js'
import { creationWithUpload } from './creation-with-upload.js'
import { expiration } from './expiration.js'
import { termination } from './termination.js'

/**
 * Every group, in the specification's order.
 *
 * What binds only clients is left out: for instance that they send Tus-Resumable, that they send no Upload-Length
 * with a final upload, or that they look at Upload-Expires before they resume. Where such a sentence forbids
 * a request, there may be a check of what a server makes of it.
 */
export const GROUPS: readonly Group[] = [
  core,
  creation,
  creationDeferLength,
  creationWithUpload,
  expiration,
  checksum,
  checksumTrailer,
  termination,
  concatenation,
  concatenationUnfinished,
]
