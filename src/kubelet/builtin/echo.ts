// signpost/echo: says over HTTP and UDP which Pod answers, and whom. It can be made unready.
import { createSocket } from 'node:dgram'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

/** While this file is there, /readyz answers 503: `kubectl exec POD -- touch /tmp/unready`. */
const unreadyFile = '/tmp/unready'
const defaultPort = 8080

const env = (name: string, otherwise = ''): string => process.env[name] || otherwise

const about = {
  pod: env('POD_NAME', env('HOSTNAME')),
  namespace: env('POD_NAMESPACE'),
  node: env('NODE_NAME'),
}

/** One line without anything that changes from call to call, so that `sort | uniq -c` counts Pods. */
function answer(source: string): string {
  return `pod=${about.pod} namespace=${about.namespace} node=${about.node} source=${source}\n`
}

export function run(args: readonly string[]): void {
  const port = Number(args[0] ?? env('PORT', String(defaultPort)))
  createServer(handle).listen(port, () =>
    process.stdout.write(`listening on ${port} (HTTP, UDP)\n`),
  )
  const socket = createSocket('udp4')
  socket.on('message', (_message, peer) => {
    socket.send(answer(peer.address), peer.port, peer.address, () => {})
  })
  socket.bind(port)
}

function handle(request: IncomingMessage, response: ServerResponse): void {
  const { pathname } = new URL(request.url ?? '/', 'http://echo')
  const source = (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '')
  request.resume()
  process.stdout.write(`${request.method} ${request.url} ${source}\n`)
  if (request.method === 'POST' && pathname === '/unready') writeFileSync(unreadyFile, '')
  if (request.method === 'POST' && pathname === '/ready') rmSync(unreadyFile, { force: true })
  if (pathname === '/healthz') return send(response, 200, 'ok\n')
  if (/^\/(readyz|ready|unready)$/.test(pathname)) {
    const unready = existsSync(unreadyFile)
    const code = unready && pathname === '/readyz' ? 503 : 200
    return send(response, code, unready ? 'not ready\n' : 'ready\n')
  }
  if (request.headers.accept === 'application/json') {
    const { method, url: path, headers } = request
    response.setHeader('content-type', 'application/json')
    const facts = { ...about, source, sourcePort: request.socket.remotePort, method, path, headers }
    return send(response, 200, `${JSON.stringify(facts)}\n`)
  }
  send(response, 200, answer(source))
}

function send(response: ServerResponse, code: number, body: string): void {
  response.statusCode = code
  if (!response.hasHeader('content-type')) response.setHeader('content-type', 'text/plain')
  response.end(body)
}
