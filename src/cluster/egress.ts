// The way from the API server into the node's network: HTTP CONNECT over a unix socket, as in
// Kubernetes' EgressSelectorConfiguration (proxyProtocol HTTPConnect, transport uds).
import * as http from 'node:http'
import * as net from 'node:net'
import type { Duplex } from 'node:stream'

const connectTimeoutMs = 10_000

/** Serves CONNECT on a socket file: the far end is dialled from this process's network namespace. */
export function serveEgress(socketPath: string): Promise<http.Server> {
  const server = http.createServer((_request, response) => response.writeHead(405).end())
  server.on('connect', (request: http.IncomingMessage, near: Duplex, head: Buffer) => {
    near.on('error', () => {})
    const target = parseTarget(request.url ?? '')
    if (!target) {
      near.end('HTTP/1.1 400 Bad Request\r\n\r\n')
      return
    }
    const far = net.connect({ host: target.host, port: target.port, noDelay: true })
    const timer = setTimeout(() => far.destroy(new Error('connect timed out')), connectTimeoutMs)
    far.once('connect', () => {
      clearTimeout(timer)
      near.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      if (head.length > 0) far.write(head)
      near.pipe(far)
      far.pipe(near)
    })
    far.once('error', (error) => {
      clearTimeout(timer)
      if (far.readyState !== 'open') near.end(`HTTP/1.1 502 ${reasonPhrase(error)}\r\n\r\n`)
      near.destroy()
    })
    near.once('close', () => far.destroy())
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(socketPath, () => resolve(server))
  })
}

/** Letters only: the text comes from an error and goes into a status line. */
const reasonPhrase = (error: Error) => error.message.replace(/[^ -~]/g, ' ').slice(0, 200)

function parseTarget(authority: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(authority)
  const port = Number(match?.[3])
  if (!match || port < 1 || port > 65535) return undefined
  return { host: match[1] ?? match[2]!, port }
}

/** Dials through the CONNECT proxy at a socket file. Rejects with the proxy's reason. */
export function dialEgress(socketPath: string, host: string, port: number): Promise<Duplex> {
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`
  return new Promise((resolve, reject) => {
    const request = http.request({
      socketPath,
      method: 'CONNECT',
      path: authority,
      timeout: connectTimeoutMs,
    })
    request.once('connect', (response, socket, head) => {
      if (response.statusCode !== 200) {
        socket.destroy()
        reject(new Error(`cannot dial ${authority}: ${response.statusMessage ?? 'refused'}`))
        return
      }
      if (head.length > 0) socket.unshift(head)
      resolve(socket)
    })
    request.once('timeout', () => request.destroy(new Error(`cannot dial ${authority}: timed out`)))
    request.once('error', (error) =>
      reject(new Error(`cannot dial ${authority}: ${error.message}`, { cause: error })),
    )
    request.end()
  })
}
