// /healthz, /livez and /readyz: named checks, one by one or all of them.
import type { Answer, ApiCall } from './call.ts'
import { plainNotFound } from './not-found.ts'

export interface HealthCheck {
  readonly name: string
  /** Whether things are well; the reason is for the log, clients only learn which check it is. */
  check(): boolean
  /** Not asked by /livez and /healthz: the server works, but wants no traffic. */
  readonly readyOnly?: boolean
}

const paths = new Set(['healthz', 'livez', 'readyz'])
const contentType = 'text/plain; charset=utf-8'

/** undefined: the path is none of these. */
export function healthAnswer(checks: readonly HealthCheck[], call: ApiCall): Answer | undefined {
  const [, endpoint = '', ...rest] = call.path.replace(/\/+$/, '').split('/')
  if (!paths.has(endpoint)) return undefined
  const relevant = checks.filter((one) => endpoint === 'readyz' || !one.readyOnly)
  if (rest.length === 0) return allChecks(endpoint, relevant, call.query)
  const one = relevant.find(({ name }) => name === rest.join('/'))
  if (!one) return plainNotFound
  return one.check() ? text(200, 'ok') : text(500, `internal server error: ${one.name} failed\n`)
}

function allChecks(
  endpoint: string,
  checks: readonly HealthCheck[],
  query: URLSearchParams,
): Answer {
  const excluded = new Set(query.getAll('exclude').filter((name) => name !== ''))
  const lines: string[] = []
  let failed = false
  for (const { name, check } of checks) {
    if (excluded.delete(name)) lines.push(`[+]${name} excluded: ok`)
    else if (check()) lines.push(`[+]${name} ok`)
    else {
      failed = true
      lines.push(`[-]${name} failed: reason withheld`)
    }
  }
  if (excluded.size > 0) {
    const names = [...excluded].map((name) => JSON.stringify(name)).join(',')
    lines.push(`warn: some health checks cannot be excluded: no matches for ${names}`)
  }
  if (failed) return text(500, `${lines.join('\n')}\n${endpoint} check failed\n`)
  if (query.get('verbose') === null) return text(200, 'ok')
  return text(200, `${lines.join('\n')}\n${endpoint} check passed\n`)
}

const text = (code: number, body: string): Answer => ({
  code,
  headers: { 'content-type': contentType, 'x-content-type-options': 'nosniff' },
  body: [Buffer.from(body)],
})
