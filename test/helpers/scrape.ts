import { send } from './server.js'

/** What a scrape of `/metrics` gave. */
export interface Scrape {
  readonly text: string
  readonly headers: Readonly<Record<string, unknown>>
  /** The kind of each metric, by its name. */
  readonly kinds: ReadonlyMap<string, string>
  /** The value of each series; its labels as they are written. */
  readonly series: ReadonlyMap<string, number>
}

/** Reads a server's metrics; fails where a line is not as Prometheus reads it. */
export async function scrape(origin: string, headers: Record<string, string> = {}): Promise<Scrape> {
  const answer = await send(origin, { method: 'GET', path: '/metrics', headers })
  if (answer.status !== 200) throw new Error(`/metrics answered ${answer.status}: ${answer.text}`)
  const kinds = new Map<string, string>()
  const series = new Map<string, number>()
  for (const line of answer.text.split('\n')) {
    const [, name, kind] = /^# TYPE (\w+) (counter|gauge|histogram)$/.exec(line) ?? []
    const [, sample, value] = /^([a-z]\w*(?:\{(?:\w+="[^"\\]*",?)+\})?) (\S+)$/.exec(line) ?? []
    if (name !== undefined && kind !== undefined) kinds.set(name, kind)
    else if (sample !== undefined) series.set(sample, Number(value))
    else if (line !== '' && !line.startsWith('# HELP ')) throw new Error(`this is no metric: ${line}`)
  }
  return { text: answer.text, headers: answer.headers, kinds, series }
}

/** The name of a series without its labels. */
export function nameOf(series: string): string {
  return series.replace(/\{.*/, '')
}
