/** The command line is wrong. The message is one line that says what, and what is allowed. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
