// One probe, carried out: exec, httpGet, tcpSocket or grpc, in upstream's words.
import * as http from 'node:http'
import * as https from 'node:https'
import { connect } from 'node:net'
import type { Container, HTTPGetAction, ProbeHandler } from '../api/types/core.gen.ts'
import type { Clock } from '../lib/clock.ts'
import type { ProbeOptions, ProbeOutcome } from './probe-outcome.ts'
import type { RunningContainer } from './runtime.ts'

export interface ProbeTarget {
  readonly container: Container
  readonly running: RunningContainer
  /** Where network probes go unless they name a host. */
  readonly podIP: string
}

const maxOutputBytes = 10 * 1024
const maxRedirects = 10

export async function runProbe(
  handler: ProbeHandler,
  target: ProbeTarget,
  options: ProbeOptions,
): Promise<ProbeOutcome> {
  if (handler.exec) return probeExec(handler.exec.command ?? [], target, options)
  if (handler.httpGet) return probeHttp(handler.httpGet, target, options)
  if (handler.tcpSocket) {
    const port = portNumber(handler.tcpSocket.port, target.container)
    if (port === undefined) return { result: 'error', text: noSuchPort(handler.tcpSocket.port) }
    return probeTcp(handler.tcpSocket.host || target.podIP, port, options)
  }
  if (handler.grpc) {
    const { port, service } = handler.grpc
    const { probeGrpc } = await import('./probe-grpc.ts')
    return probeGrpc({ host: target.podIP, port, service: service ?? '' }, options)
  }
  return { result: 'error', text: 'missing probe handler' }
}

/** Names are looked up among the same container's ports only. */
export function portNumber(port: string | number, container: Container): number | undefined {
  const found = container.ports?.find(({ name }) => name === port)?.containerPort
  const number = found ?? Number(port)
  return Number.isInteger(number) && number > 0 && number < 65536 ? number : undefined
}

function noSuchPort(port: string | number): string {
  return `couldn't find port: ${port}`
}

async function probeExec(
  argv: readonly string[],
  target: ProbeTarget,
  options: ProbeOptions,
): Promise<ProbeOutcome> {
  let session: ReturnType<RunningContainer['exec']>
  try {
    session = target.running.exec({ argv, stdin: false, tty: false })
  } catch (error) {
    return { result: 'error', text: error instanceof Error ? error.message : String(error) }
  }
  let output = ''
  const keep = (chunk: Buffer) => {
    if (output.length < maxOutputBytes) output += chunk.toString('utf8')
  }
  session.stdout.on('data', keep)
  session.stderr?.on('data', keep)
  let timedOut = false
  const timer = options.clock.after(options.timeoutMs, () => {
    timedOut = true
    session.close()
  })
  const { exitCode } = await session.exited
  timer.cancel()
  const text = output.slice(0, maxOutputBytes)
  if (timedOut) {
    const seconds = options.timeoutMs / 1000
    return {
      result: 'failure',
      text: `command timed out: "${argv.join(' ')}" timed out after ${seconds}s`,
    }
  }
  return { result: exitCode === 0 ? 'success' : 'failure', text }
}

function probeTcp(host: string, port: number, options: ProbeOptions): Promise<ProbeOutcome> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const end = (outcome: ProbeOutcome) => {
      timer.cancel()
      socket.destroy()
      resolve(outcome)
    }
    const timer = options.clock.after(options.timeoutMs, () =>
      end({ result: 'failure', text: `dial tcp ${host}:${port}: i/o timeout` }),
    )
    socket.once('connect', () => end({ result: 'success', text: '' }))
    socket.once('error', (error) =>
      end({ result: 'failure', text: `dial tcp ${host}:${port}: ${describe(error)}` }),
    )
  })
}

function describe(error: Error): string {
  const code = (error as NodeJS.ErrnoException).code
  const words: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'connect: connection refused',
    EHOSTUNREACH: 'connect: no route to host',
    ECONNRESET: 'read: connection reset by peer',
  }
  return (code && words[code]) ?? error.message
}

export interface HttpAnswer {
  readonly code: number
  readonly location: string | undefined
}

async function probeHttp(
  action: HTTPGetAction,
  target: ProbeTarget,
  options: ProbeOptions,
): Promise<ProbeOutcome> {
  const port = portNumber(action.port, target.container)
  if (port === undefined) return { result: 'error', text: noSuchPort(action.port) }
  const host = action.host || target.podIP
  const deadlineMs = options.clock.monotonic() + options.timeoutMs
  let url = httpUrl(action, host, port)
  for (let hop = 0; ; hop++) {
    const left = deadlineMs - options.clock.monotonic()
    const answer = await requestOnce(url, headersOf(action, options), {
      ...options,
      timeoutMs: left,
    })
    if ('error' in answer) return { result: 'failure', text: `Get "${url.href}": ${answer.error}` }
    const { code, location } = answer
    if (code < 300 || code >= 400 || location === undefined) return verdict(code)
    const next = new URL(location, url)
    // A redirect elsewhere proves that the server answers, and says nothing about that other one.
    if (next.hostname !== url.hostname) {
      const text = `Probe terminated redirects, Response body: `
      return { result: 'success', text, warning: text }
    }
    if (hop === maxRedirects) return { result: 'failure', text: 'stopped after 10 redirects' }
    url = next
  }
}

function verdict(code: number): ProbeOutcome {
  if (code >= 300 && code < 400) {
    const warning = 'Probe terminated redirects, Response body: '
    return { result: 'success', text: '', warning }
  }
  if (code >= 200 && code < 300) return { result: 'success', text: '' }
  return { result: 'failure', text: `HTTP probe failed with statuscode: ${code}` }
}

export function httpUrl(action: HTTPGetAction, host: string, port: number): URL {
  const scheme = (action.scheme ?? 'HTTP').toLowerCase()
  const authority = host.includes(':') ? `[${host}]` : host
  const path = action.path ?? '/'
  return new URL(`${scheme}://${authority}:${port}${path.startsWith('/') ? '' : '/'}${path}`)
}

function headersOf(action: HTTPGetAction, options: ProbeOptions): Record<string, string> {
  const headers: Record<string, string> = { 'User-Agent': options.userAgent, Accept: '*/*' }
  for (const { name, value = '' } of action.httpHeaders ?? []) {
    const known = Object.keys(headers).find((key) => key.toLowerCase() === name.toLowerCase())
    if (known) delete headers[known]
    // An Accept header given as empty means that none is sent.
    if (!(name.toLowerCase() === 'accept' && value === '')) headers[name] = value
  }
  return headers
}

/** A connection of its own, never verified, the body read no further than needed. */
export function requestOnce(
  url: URL,
  headers: Readonly<Record<string, string>>,
  options: { readonly timeoutMs: number; readonly clock: Clock },
): Promise<HttpAnswer | { readonly error: string }> {
  return new Promise((resolve) => {
    const { request } = url.protocol === 'https:' ? https : http
    const sent = request(url, { headers, agent: false, rejectUnauthorized: false }, (response) => {
      let length = 0
      const end = () => {
        timer.cancel()
        response.destroy()
        resolve({ code: response.statusCode ?? 0, location: response.headers.location })
      }
      response.on('data', (chunk: Buffer) => {
        length += chunk.length
        if (length > maxOutputBytes) end()
      })
      response.once('end', end)
      response.once('error', end)
    })
    const timer = options.clock.after(Math.max(0, options.timeoutMs), () => {
      const text = 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
      resolve({ error: text })
      sent.destroy()
    })
    sent.once('error', (error) => {
      timer.cancel()
      resolve({ error: `${describe(error)}` })
    })
    sent.end()
  })
}
