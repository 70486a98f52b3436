// What a Pod's kubelet answers: log, exec, attach, portforward.
import type { FieldError } from '../../api/machinery/field-error.ts'
import { invalid } from '../../api/machinery/field-error.ts'
import { badRequestError, invalidError } from '../../api/machinery/status.ts'
import type { Pod } from '../../api/types/core.gen.ts'
import type { Answer } from '../call.ts'
import { proxyRequest, proxyUpgrade } from '../connect.ts'
import { parseBoolean, parseInteger } from '../list-options.ts'
import type { ObjectRequest } from '../registry.ts'
import type { SpecialHandler } from '../router.ts'
import { kindAnswer } from './body.ts'
import type { KubeletDeps } from './kubelet.ts'
import { containerOf, dialOf, kubeletTarget, podOf } from './kubelet.ts'

const logParameters = [
  'follow',
  'previous',
  'timestamps',
  'sinceSeconds',
  'sinceTime',
  'tailLines',
  'limitBytes',
  'stream',
]

export function logHandler(deps: KubeletDeps): SpecialHandler {
  return async (request) => {
    const { query } = request.exchange.call
    checkLogOptions(request, query)
    const pod = podOf(deps, request)
    const container = containerOf(pod, query.get('container'))
    const { nodeName } = pod.spec
    // Nothing has run yet: an empty log, as upstream.
    if (!nodeName) return emptyLog
    const kept = new URLSearchParams()
    for (const name of logParameters) {
      const value = query.get(name)
      if (value !== null) kept.set(name, value)
    }
    const { namespace, name } = pod.metadata
    const path = `/containerLogs/${namespace}/${name}/${container}?${kept}`
    const target = kubeletTarget(deps, nodeName, path)
    const answer = await proxyRequest(request.exchange.call, dialOf(deps), { target })
    return readableLog(request, answer)
  }
}

const emptyLog: Answer = { code: 200, headers: { 'content-type': 'text/plain' }, body: [] }

/** What a kubelet refuses is told as a Status, in its words. */
async function readableLog(request: ObjectRequest, answer: Answer): Promise<Answer> {
  if (answer.code < 400) return { ...answer, headers: { 'content-type': 'text/plain' } }
  const text = (await collect(answer)).trim()
  const error = badRequestError(text)
  return kindAnswer(request, 400, error.status)
}

function collect(answer: Answer): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const done = () => resolve(text)
    answer.start?.({
      write: (chunk) => {
        text += Buffer.from(chunk).toString()
      },
      end: done,
      abort: done,
      buffered: () => 0,
      drained: () => Promise.resolve(),
    })
  })
}

function checkLogOptions({ name }: ObjectRequest, query: URLSearchParams): void {
  const errors: FieldError[] = []
  const number = (field: string, least: number, detail: string) => {
    const value = parseInteger(query.get(field))
    if (value !== undefined && value < least) errors.push(invalid(field, value, detail))
  }
  number('tailLines', 0, 'must be greater than or equal to 0')
  number('limitBytes', 1, 'must be greater than 0')
  number('sinceSeconds', 1, 'must be greater than 0')
  if (errors.length > 0) throw invalidError({ group: '', kind: 'PodLogOptions' }, name, errors)
}

const streams = ['stdin', 'stdout', 'stderr', 'tty'] as const
/** The kubelet's names of the same switches. */
const kubeletNames = { stdin: 'input', stdout: 'output', stderr: 'error', tty: 'tty' } as const

export function execHandler(deps: KubeletDeps, verb: 'exec' | 'attach'): SpecialHandler {
  return async (request) => {
    const { call } = request.exchange
    const pod = podOf(deps, request)
    const container = containerOf(pod, call.query.get('container'))
    const nodeName = requireNode(pod)
    const query = new URLSearchParams()
    for (const name of streams) {
      if (parseBoolean(call.query.get(name)) === true) query.set(kubeletNames[name], '1')
    }
    if (![...query.keys()].some((name) => name !== 'tty')) {
      throw badRequestError('you must specify at least 1 of stdin, stdout, stderr')
    }
    if (verb === 'exec') {
      const command = call.query.getAll('command')
      if (command.length === 0) throw badRequestError('you must specify a command')
      for (const word of command) query.append('command', word)
    }
    const { namespace, name } = pod.metadata
    const path = `/${verb}/${namespace}/${name}/${container}?${query}`
    return proxyUpgrade(call, dialOf(deps), kubeletTarget(deps, nodeName, path))
  }
}

export function portForwardHandler(deps: KubeletDeps): SpecialHandler {
  return async (request) => {
    const { call } = request.exchange
    const pod = podOf(deps, request)
    const nodeName = requireNode(pod)
    const query = new URLSearchParams()
    for (const ports of call.query.getAll('ports')) query.append('port', ports)
    const { namespace, name } = pod.metadata
    const path = `/portForward/${namespace}/${name}?${query}`
    return proxyUpgrade(call, dialOf(deps), kubeletTarget(deps, nodeName, path))
  }
}

function requireNode({ spec, metadata }: Pod): string {
  if (spec.nodeName) return spec.nodeName
  throw badRequestError(`pod ${metadata.name} does not have a host assigned`)
}
