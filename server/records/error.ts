/** Why the index could not answer; callers fall back to the sidecar, which is the truth anyway. */
export type RecordsProblem = 'locked' | 'failing' | 'newer' | 'slow' | 'overloaded' | 'closed'

/** A question or a task that the index could not do; uploads never depend on one. */
export class RecordsError extends Error {
  readonly problem: RecordsProblem

  constructor(problem: RecordsProblem, message: string, options: { cause?: unknown } = {}) {
    super(message, options)
    this.name = 'RecordsError'
    this.problem = problem
  }
}
