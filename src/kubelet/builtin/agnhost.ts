// A part of agnhost, the image of Kubernetes' own tests: netexec, serve-hostname, pause, dns-suffix.
import { execFile } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http'
import { hostname } from 'node:os'
import { option } from './http-echo.ts'

export function run([command = 'pause', ...args]: readonly string[]): void {
  if (command === 'netexec') return netexec(args)
  if (command === 'serve-hostname') return serveHostname(args)
  if (command === 'pause') {
    process.stdout.write('Paused\n')
    setInterval(() => {}, 2 ** 30)
    return
  }
  const search = resolvConf('search')
  if (command === 'dns-suffix') process.stdout.write(`${search.join(',')}\n`)
  else if (command === 'dns-server-list')
    process.stdout.write(`${resolvConf('nameserver').join(',')}\n`)
  else if (command === 'etc-hosts') process.stdout.write(readFileSync('/etc/hosts'))
  else {
    process.stderr.write(`Signpost's agnhost does not have the command "${command}"\n`)
    process.exit(1)
  }
}

function resolvConf(key: string): string[] {
  return readFileSync('/etc/resolv.conf', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith(`${key} `))
    .flatMap((line) => line.split(/\s+/).slice(1))
}

function serveHostname(args: readonly string[]): void {
  const port = Number(option(args, 'port') ?? 9376)
  createServer((request, response) => {
    request.resume()
    response.end(hostname())
  }).listen(port)
}

function netexec(args: readonly string[]): void {
  const httpPort = Number(option(args, 'http-port') ?? 8080)
  const udpPort = Number(option(args, 'udp-port') ?? 8081)
  createServer((request, response) => {
    request.resume()
    handle(request, response)
  }).listen(httpPort)
  if (udpPort < 0) return
  const socket = createSocket('udp4')
  socket.on('message', (message, peer) => {
    const text = message.toString('utf8').trim()
    socket.send(udpAnswer(text, `${peer.address}:${peer.port}`), peer.port, peer.address, () => {})
  })
  socket.bind(udpPort)
}

function udpAnswer(text: string, peer: string): string {
  if (/^hostname$/i.test(text)) return hostname()
  if (/^clientip$/i.test(text)) return peer
  const echo = /^echo (.*)$/is.exec(text)
  return echo ? echo[1]! : `unknown command: ${text}`
}

function handle(request: IncomingMessage, response: ServerResponse): void {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://agnhost')
  const { remoteAddress = '', remotePort } = request.socket
  const end = (body: string, code = 200) => {
    response.statusCode = code
    response.end(body)
  }
  switch (pathname) {
    case '/':
      return end(`NOW: ${new Date().toISOString()}`)
    case '/clientip':
      return end(`${remoteAddress.replace(/^::ffff:/, '')}:${remotePort}`)
    case '/hostname':
    case '/hostName':
      return end(hostname())
    case '/healthz':
      return end('')
    case '/echo':
      return end(searchParams.get('msg') ?? '', Number(searchParams.get('code') ?? 200))
    case '/header':
      return end(String(request.headers[(searchParams.get('key') ?? '').toLowerCase()] ?? ''))
    case '/redirect':
      response.setHeader('location', searchParams.get('location') ?? '/')
      return end('', Number(searchParams.get('code') ?? 302))
    case '/exit':
      end('')
      process.exit(Number(searchParams.get('code') ?? 0))
      break
    case '/shell':
      return shell(searchParams.get('shellCommand') ?? searchParams.get('cmd') ?? '', end)
    case '/dial':
      return dial(searchParams, end)
    default:
      end('404 page not found\n', 404)
  }
}

function shell(command: string, end: (body: string) => void): void {
  execFile('sh', ['-c', command], (error, stdout, stderr) => {
    const output = `${stdout}${stderr}`
    end(JSON.stringify(error ? { output, error: error.message } : { output }))
  })
}

/** Asks another netexec, and says what each of the tries answered. */
function dial(query: URLSearchParams, end: (body: string) => void): void {
  const [host = '', port = ''] = [query.get('host') ?? '', query.get('port') ?? '']
  const request = query.get('request') ?? 'hostname'
  const tries = Number(query.get('tries') ?? 1)
  const ask = query.get('protocol') === 'udp' ? askUdp : askHttp
  const responses: string[] = []
  const errors: string[] = []
  const next = (left: number): void => {
    if (left === 0) {
      end(
        JSON.stringify({
          ...(responses.length ? { responses } : {}),
          ...(errors.length ? { errors } : {}),
        }),
      )
      return
    }
    ask({ host, port: Number(port) }, request, (error, text) => {
      if (error) errors.push(error)
      else responses.push(text)
      next(left - 1)
    })
  }
  next(tries)
}

interface Target {
  readonly host: string
  readonly port: number
}

type Answer = (error: string, text: string) => void
const dialTimeoutMs = 5000

function askHttp(target: Target, path: string, answer: Answer): void {
  const request = get({ ...target, path: `/${path}`, agent: false }, (response) => {
    let text = ''
    response.setEncoding('utf8')
    response.on('data', (chunk: string) => {
      text += chunk
    })
    response.on('end', () => answer('', text))
  })
  request.setTimeout(dialTimeoutMs, () => request.destroy(new Error('timeout')))
  request.on('error', (error) => answer(error.message, ''))
}

function askUdp(target: Target, text: string, answer: Answer): void {
  const socket = createSocket('udp4')
  const timer = setTimeout(() => done('timeout', ''), dialTimeoutMs)
  const done: Answer = (error, reply) => {
    clearTimeout(timer)
    socket.close()
    answer(error, reply)
  }
  socket.once('error', (error) => done(error.message, ''))
  socket.once('message', (message) => done('', message.toString('utf8')))
  socket.send(text, target.port, target.host)
}
