import { type Config, ConfigError, parseConfig } from '../../server/config.js'

/** The flags whose values are never printed. */
export const SECRETS = ['admin-key', 'auth-secret', 'hooks-http-secret', 'database']

export type Environment = Record<string, string>

/** The settings that this command line gives. */
export function runConfig(argv: readonly string[], env: Environment = {}, isTerminal = false): Config {
  const command = parseConfig(argv, env, isTerminal)
  if (!('run' in command)) throw new Error(`not a run: ${Object.keys(command)}`)
  return command.run
}

/** The line that stops the start. */
export function refusal(read: () => unknown): string {
  try {
    read()
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  throw new Error('was not refused')
}

/** The variable of a flag. */
export const variableOf = (flag: string) => `LADING_${flag.toUpperCase().replaceAll('-', '_')}`
