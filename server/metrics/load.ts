import type { Config } from '../config.js'
import type { Metrics } from './metrics.js'

/** The metrics of a server; null with `--no-metrics`, and then the library is not loaded. */
export async function loadMetrics(
  config: Pick<Config, 'metrics' | 'metricsTusdNames'>,
): Promise<Metrics | null> {
  if (!config.metrics) return null
  const { Metrics } = await import('./metrics.js')
  return new Metrics(config)
}
