// traefik/whoami: the request as it arrived.
import { createServer } from 'node:http'
import { hostname, networkInterfaces } from 'node:os'
import { option } from './http-echo.ts'

export function run(args: readonly string[]): void {
  const port = Number(option(args, 'port') ?? process.env['WHOAMI_PORT_NUMBER'] ?? 80)
  const name = option(args, 'name') ?? process.env['WHOAMI_NAME']
  createServer((request, response) => {
    request.resume()
    if (request.url === '/health') {
      response.end()
      return
    }
    const ips = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
    const headers = request.rawHeaders.flatMap((key, index, all) =>
      index % 2 === 0 && key.toLowerCase() !== 'host' ? [`${key}: ${all[index + 1]}`] : [],
    )
    const { remoteAddress = '', remotePort } = request.socket
    const lines = [
      ...(name ? [`Name: ${name}`] : []),
      `Hostname: ${hostname()}`,
      ...ips.map(({ address }) => `IP: ${address}`),
      `RemoteAddr: ${remoteAddress.replace(/^::ffff:/, '')}:${remotePort}`,
      `${request.method} ${request.url} HTTP/${request.httpVersion}`,
      `Host: ${request.headers.host ?? ''}`,
      ...headers,
      '',
    ]
    response.end(`${lines.join('\n')}\n`)
  }).listen(port)
}
