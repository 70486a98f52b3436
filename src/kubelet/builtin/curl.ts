// As much of curl as calling a Service by name takes, for hosts that have none: the usual options,
// its messages and its exit codes.
import * as http from 'node:http'
import * as https from 'node:https'
import { parseArgs } from 'node:util'

const options = {
  silent: { type: 'boolean', short: 's' },
  'show-error': { type: 'boolean', short: 'S' },
  fail: { type: 'boolean', short: 'f' },
  include: { type: 'boolean', short: 'i' },
  head: { type: 'boolean', short: 'I' },
  insecure: { type: 'boolean', short: 'k' },
  verbose: { type: 'boolean', short: 'v' },
  location: { type: 'boolean', short: 'L' },
  request: { type: 'string', short: 'X' },
  data: { type: 'string', short: 'd' },
  header: { type: 'string', short: 'H', multiple: true },
  'write-out': { type: 'string', short: 'w' },
  output: { type: 'string', short: 'o' },
  'max-time': { type: 'string', short: 'm' },
  'connect-timeout': { type: 'string' },
} as const

interface Outcome {
  readonly code: number
  readonly message: string
}

const codes: Readonly<Record<string, number>> = {
  ENOTFOUND: 6,
  EAI_AGAIN: 6,
  ECONNREFUSED: 7,
  EHOSTUNREACH: 7,
  ENETUNREACH: 7,
  ETIMEDOUT: 28,
}

/** Ends the process with curl's exit code. */
export function run(args: readonly string[]): void {
  const parsed = parse(args)
  const [target] = parsed.positionals
  if (target === undefined) finish({ code: 2, message: 'no URL specified' }, false)
  const url = new URL(/^[a-z]+:\/\//i.test(target!) ? target! : `http://${target}`)
  const quiet = parsed.values.silent === true && parsed.values['show-error'] !== true
  request(url, parsed.values, (outcome) => finish(outcome, quiet))
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true })
  } catch (error) {
    return finish({ code: 2, message: (error as Error).message }, false)
  }
}

type Values = ReturnType<typeof parse>['values']

function request(url: URL, values: Values, done: (outcome: Outcome) => void): void {
  const method =
    values.request ?? (values.head ? 'HEAD' : values.data === undefined ? 'GET' : 'POST')
  const send = url.protocol === 'https:' ? https.request : http.request
  const outgoing = send(url, {
    method,
    headers: headersOf(values),
    agent: new (url.protocol === 'https:' ? https : http).Agent({ keepAlive: false }),
    rejectUnauthorized: values.insecure !== true,
  })
  const seconds = Number(values['max-time'] ?? values['connect-timeout'] ?? 0)
  if (seconds > 0) {
    const late = `Operation timed out after ${Math.round(seconds * 1000)} milliseconds`
    setTimeout(() => done({ code: 28, message: late }), seconds * 1000).unref()
  }
  outgoing.once('error', (error: NodeJS.ErrnoException) => done(failure(error, url)))
  outgoing.once('response', (response) => {
    const { statusCode = 0, headers } = response
    if (values.location && statusCode >= 300 && statusCode < 400 && headers.location) {
      response.resume()
      request(new URL(headers.location, url), values, done)
      return
    }
    receive(response, values, done)
  })
  outgoing.end(values.data)
}

function headersOf(values: Values): Record<string, string> {
  const given = (values.header ?? []).map((header) => header.split(/:\s*/, 2) as [string, string])
  const form: [string, string][] =
    values.data === undefined ? [] : [['content-type', 'application/x-www-form-urlencoded']]
  return Object.fromEntries([
    ['user-agent', 'curl/8 (signpost)'],
    ['accept', '*/*'],
    ...form,
    ...given,
  ])
}

function receive(
  response: http.IncomingMessage,
  values: Values,
  done: (outcome: Outcome) => void,
): void {
  const { statusCode = 0 } = response
  if (values.include || values.head) {
    process.stdout.write(
      `HTTP/${response.httpVersion} ${statusCode} ${response.statusMessage ?? ''}\r\n`,
    )
    for (let index = 0; index < response.rawHeaders.length; index += 2) {
      process.stdout.write(`${response.rawHeaders[index]}: ${response.rawHeaders[index + 1]}\r\n`)
    }
    process.stdout.write('\r\n')
  }
  const failed = values.fail === true && statusCode >= 400
  if (failed || values.output === '/dev/null') response.resume()
  else response.pipe(process.stdout, { end: false })
  response.once('error', (error: NodeJS.ErrnoException) =>
    done({ code: 56, message: error.message }),
  )
  response.once('end', () => {
    const format = values['write-out']
      ?.replaceAll('%{http_code}', String(statusCode))
      .replaceAll('\\n', '\n')
    if (format) process.stdout.write(format)
    done(
      failed
        ? { code: 22, message: `The requested URL returned error: ${statusCode}` }
        : { code: 0, message: '' },
    )
  })
}

function failure(error: NodeJS.ErrnoException, url: URL): Outcome {
  const code = codes[error.code ?? ''] ?? 56
  if (code === 6) return { code, message: `Could not resolve host: ${url.hostname}` }
  if (code === 7)
    return {
      code,
      message: `Failed to connect to ${url.hostname} port ${url.port || '80'}: ${error.message}`,
    }
  return { code, message: error.message }
}

function finish({ code, message }: Outcome, quiet: boolean): never {
  if (message !== '' && !quiet) process.stderr.write(`curl: (${code}) ${message}\n`)
  process.exit(code)
}
