// Probes and lifecycle hooks: exactly one handler, sensible numbers.
import { forbidden, invalid, required } from '../machinery/field-error.ts'
import { httpHeaderNameProblems } from '../machinery/names.ts'
import {
  type Errors,
  forEach,
  invalids,
  none,
  nonNegative,
  oneOf,
  portNumber,
  present,
} from '../machinery/validation.ts'
import type { Container, HTTPGetAction, LifecycleHandler, Probe } from '../types/core.gen.ts'
import { portNumberOrName } from './service-validation.ts'

type Handler = LifecycleHandler & Pick<Probe, 'grpc'>

/** In upstream's order: the second of two handlers is the one refused. */
const handlers = ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const

function validateHandler(handler: Handler, field: string, graceSeconds: number): Errors {
  const given = handlers.filter((name) => handler[name] !== undefined)
  if (given.length === 0) return [required(field, 'must specify a handler type')]
  const [first = 'exec', ...rest] = given
  return [
    ...validateOne(handler, `${field}.${first}`, graceSeconds),
    ...rest.map((name) =>
      forbidden(`${field}.${name}`, 'may not specify more than 1 handler type'),
    ),
  ]
}

function validateOne(handler: Handler, field: string, graceSeconds: number): Errors {
  if (handler.exec) {
    return (handler.exec.command ?? []).length === 0 ? [required(`${field}.command`)] : none
  }
  if (handler.httpGet) return validateHttpGet(handler.httpGet, field)
  if (handler.tcpSocket) return portNumberOrName(handler.tcpSocket.port, `${field}.port`)
  if (handler.grpc) return portNumber(handler.grpc.port, `${field}.port`)
  const seconds = handler.sleep?.seconds ?? 0
  const bounds = `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds}). Enable AllowPodLifecycleSleepActionZeroValue feature gate for zero sleep.`
  return seconds < 0 || seconds > graceSeconds ? [invalid(field, seconds, bounds)] : none
}

function validateHttpGet(get: HTTPGetAction, field: string): Errors {
  return [
    ...present(get.path, `${field}.path`),
    ...portNumberOrName(get.port, `${field}.port`),
    ...oneOf(get.scheme, `${field}.scheme`, ['HTTP', 'HTTPS']),
    ...forEach(get.httpHeaders, `${field}.httpHeaders`, ({ name }) =>
      invalids(`${field}.httpHeaders`, name, httpHeaderNameProblems(name)),
    ),
  ]
}

function validateProbe(probe: Probe | undefined, field: string, graceSeconds: number): Errors {
  if (!probe) return none
  const grace = probe.terminationGracePeriodSeconds
  const numbers = [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ] as const
  return [
    ...validateHandler(probe, field, graceSeconds),
    ...numbers.flatMap((name) => nonNegative(probe[name], `${field}.${name}`)),
    ...(grace !== undefined && grace <= 0
      ? [invalid(`${field}.terminationGracePeriodSeconds`, grace, 'must be greater than 0')]
      : none),
  ]
}

/** One success must do: a container that was restarted or started is not half alive. */
function onlyOneSuccess(probe: Probe | undefined, field: string): Errors {
  const threshold = probe?.successThreshold ?? 1
  return threshold === 1 ? none : [invalid(`${field}.successThreshold`, threshold, 'must be 1')]
}

export function validateProbes(container: Container, field: string, graceSeconds: number): Errors {
  const { livenessProbe, readinessProbe, startupProbe } = container
  const readinessGrace = readinessProbe?.terminationGracePeriodSeconds
  return [
    ...validateProbe(livenessProbe, `${field}.livenessProbe`, graceSeconds),
    ...onlyOneSuccess(livenessProbe, `${field}.livenessProbe`),
    ...validateProbe(readinessProbe, `${field}.readinessProbe`, graceSeconds),
    ...(readinessGrace === undefined
      ? none
      : [
          invalid(
            `${field}.readinessProbe.terminationGracePeriodSeconds`,
            readinessGrace,
            'must not be set for readinessProbes',
          ),
        ]),
    ...validateProbe(startupProbe, `${field}.startupProbe`, graceSeconds),
    ...onlyOneSuccess(startupProbe, `${field}.startupProbe`),
  ]
}

export function validateLifecycle(
  { lifecycle }: Container,
  field: string,
  graceSeconds: number,
): Errors {
  if (!lifecycle) return none
  const at = `${field}.lifecycle`
  return [
    ...(lifecycle.postStart
      ? validateHandler(lifecycle.postStart, `${at}.postStart`, graceSeconds)
      : none),
    ...(lifecycle.preStop
      ? validateHandler(lifecycle.preStop, `${at}.preStop`, graceSeconds)
      : none),
  ]
}
