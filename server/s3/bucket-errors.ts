import { UploadError } from '../errors.js'

/** What S3 said: there is no such object or multipart upload, another one is there, or the parts do not fit. */
type BucketProblem = 'missing' | 'no_upload' | 'changed' | 'bad_parts'

/** An answer of S3 that the engine acts on. */
export class BucketError extends Error {
  readonly problem: BucketProblem

  constructor(problem: BucketProblem, options: { cause?: unknown } = {}) {
    super(`S3: ${problem}`, options)
    this.problem = problem
  }
}

const PROBLEMS: Readonly<Record<string, BucketProblem>> = {
  NoSuchKey: 'missing',
  NotFound: 'missing',
  NoSuchUpload: 'no_upload',
  PreconditionFailed: 'changed',
  ConditionalRequestConflict: 'changed',
  InvalidPart: 'bad_parts',
  InvalidPartOrder: 'bad_parts',
  EntityTooSmall: 'bad_parts',
}

/** The error of a call of the SDK as one that the engine acts on, as storage_unavailable, or as it is. */
export function bucketError(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error))
  const problem = PROBLEMS[error.name]
  if (problem) return new BucketError(problem, { cause: error })
  const status = statusOf(error)
  const isAway = status === undefined ? isOfNetwork(error) : status >= 500 || status === 429
  return isAway ? new UploadError('storage_unavailable', { cause: error }) : error
}

/** Tells whether S3 said this. */
export function saidS3(error: unknown, ...problems: readonly BucketProblem[]): boolean {
  return error instanceof BucketError && problems.includes(error.problem)
}

function statusOf(error: Error): number | undefined {
  if (!('$metadata' in error) || typeof error.$metadata !== 'object' || error.$metadata === null)
    return undefined
  const { $metadata: metadata } = error
  return 'httpStatusCode' in metadata && typeof metadata.httpStatusCode === 'number'
    ? metadata.httpStatusCode
    : undefined
}

const OF_NETWORK = ['TimeoutError', 'AbortError']
const CODES = /^(?:ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|EAI_AGAIN|ENOTFOUND|UND_ERR|ERR_STREAM)/

function isOfNetwork(error: Error): boolean {
  if (OF_NETWORK.includes(error.name) || error.message === 'aborted') return true
  if ('code' in error && typeof error.code === 'string' && CODES.test(error.code)) return true
  if (error instanceof AggregateError)
    return error.errors.some((each) => each instanceof Error && isOfNetwork(each))
  return error.cause instanceof Error && isOfNetwork(error.cause)
}
