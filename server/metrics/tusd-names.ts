import { Counter, Gauge, type Registry } from 'prom-client'

type Labels = Readonly<Record<string, string>>

/** Counts what happens. */
export interface TusdCounts {
  request(method: string, refused: { readonly status: string; readonly code: string } | null): void
  received(bytes: number): void
  upload(outcome: string): void
  hook(event: string, outcome: string): void
}

const UPLOADS = ['created', 'finished', 'terminated'] as const

/** Adds the metrics of tusd 2.x under its names, which do not follow Prometheus' conventions, for dashboards that have them. */
export function addTusdNames(registry: Registry, connections: () => number): TusdCounts {
  const counter = (
    name: string,
    help: string,
    labelNames: string[] = [],
  ): ((labels: Labels, by?: number) => void) => {
    const made = new Counter({ name, help, labelNames, registers: [registry] })
    if (labelNames.length === 0) made.inc(0)
    return (labels, by = 1) => made.inc(labels, by)
  }
  const requests = counter('tusd_requests_total', 'Requests, by the method that counts', ['method'])
  const errors = counter('tusd_errors_total', 'Answers with an error, by status and code word', [
    'status',
    'code',
  ])
  const bytes = counter('tusd_bytes_received', 'Bytes of uploads that were received')
  const invocations = counter('tusd_hook_invocations_total', 'Calls of hooks', ['hooktype'])
  const hookErrors = counter('tusd_hook_errors_total', 'Calls of hooks that failed', ['hooktype'])
  const uploads = new Map<string, (labels: Labels) => void>(
    UPLOADS.map((outcome) => [outcome, counter(`tusd_uploads_${outcome}`, `Uploads that were ${outcome}`)]),
  )
  const open: Gauge = new Gauge({
    name: 'tusd_connections_open',
    help: 'Connections that are open',
    registers: [registry],
    collect() {
      open.set(connections())
    },
  })
  return {
    request(method, refused) {
      requests({ method })
      if (refused) errors({ ...refused })
    },
    received: (count) => bytes({}, count),
    upload: (outcome) => uploads.get(outcome)?.({}),
    hook(event, outcome) {
      invocations({ hooktype: event })
      if (outcome === 'failed' || outcome === 'gone') hookErrors({ hooktype: event })
    },
  }
}
