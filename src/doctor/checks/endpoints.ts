// E: has the Service endpoints, and do proxies take them?
import type { Pod } from '../../api/types/core.gen.ts'
import type { Check, Finding } from '../check.ts'
import { keyOfService } from '../check.ts'
import { isFinished, membershipOf, targetPortOn } from '../endpoints.ts'
import { nearMisses } from '../near-miss.ts'
import type { ServiceView, View } from '../view.ts'
import { count, json, labelsText, serviceSubject, some } from '../words.ts'

const isServed = ({ service }: ServiceView): boolean => service.spec.type !== 'ExternalName'

export const selectorMatchesNothing: Check = {
  id: 'E01',
  link: 'endpoints',
  title: 'The selector matches no Pod',
  severity: 'error',
  confidence: 'proof',
  needs: ['services', 'pods'],
  explains: ['E02', 'E03', 'S19', 'X04', 'T01', 'T03'],
  page: {
    symptom:
      'Connections to the ClusterIP are refused at once; a headless Service answers NXDOMAIN or nothing.',
    decides:
      'No Pod of the namespace that still runs has all labels of `spec.selector`. The Pods that come nearest are named, with the labels that differ.',
    remedy: 'Give the Service the labels the Pods have, or the Pods the labels the Service wants.',
    sources: [
      'kubernetes.io: Debug Services, "Does the Service have any EndpointSlices?"',
      'kubernetes/kubernetes#7341',
    ],
  },
  run: (view) =>
    view.serviceViews
      .filter(
        (one) =>
          isServed(one) &&
          one.selector !== undefined &&
          one.matching.length === 0 &&
          !isKnownEmpty(one),
      )
      .map((one) => scaledToZero(one, view) ?? noPods(one, view)),
}

/** Metrics of control-plane Pods that a managed cluster does not show (spec 4). */
function isKnownEmpty({ service, selector }: ServiceView): boolean {
  if (service.metadata.namespace !== 'kube-system' || service.spec.clusterIP !== 'None')
    return false
  return Object.values(selector ?? {}).some((value) =>
    /^(kube-(scheduler|controller-manager|proxy|etcd|dns|apiserver)|etcd|coredns)$/.test(value),
  )
}

/** Nobody stands behind it because somebody wanted it so; who asks for it by name wants an answer. */
function scaledToZero(
  { key, service, selector, settling }: ServiceView,
  view: View,
): Finding | undefined {
  const { namespace = '', name } = service.metadata
  const workload = view.workloads.find(
    (one) =>
      one.namespace === namespace &&
      one.replicas === 0 &&
      Object.entries(selector ?? {}).every(([key, value]) => one.labels[key] === value),
  )
  if (!workload) return undefined
  const path = `${workload.kind.toLowerCase()}/${workload.name}`
  return {
    subject: serviceSubject(service),
    severity: view.askedService?.key === key ? 'warn' : 'info',
    message: `${workload.kind} ${workload.name}, whose Pods it selects, is scaled to zero; on purpose?`,
    observed: '0 replicas wanted',
    expected: 'at least one replica, if anybody is to answer',
    evidence: [
      { command: `kubectl -n ${namespace} get ${path}`, shows: 'READY 0/0' },
      {
        command: `kubectl -n ${namespace} get pods -l ${labelsText(selector ?? {})}`,
        shows: 'No resources found',
      },
    ],
    fix: {
      commands: [`kubectl -n ${namespace} scale ${path} --replicas=1`],
      risk: `starts a Pod behind ${name}`,
    },
    affects: [keyOfService(service)],
    settling,
  }
}

function noPods(one: ServiceView, view: View): Finding {
  const { service } = one
  const selector = one.selector!
  const { namespace = '', name } = service.metadata
  const candidates = view.podsOf(namespace).filter((pod) => !isFinished(pod))
  const near = nearMisses(selector, candidates)
  const best = near[0]
  const alike = best && near.filter(({ score }) => score === best.score)
  const elsewhere = view.podsElsewhere.filter((pod) =>
    Object.entries(selector).every(([key, value]) => pod.metadata.labels?.[key] === value),
  )
  const text = labelsText(selector)
  const fixed = best && labelsText(best.selector)
  const hint = best
    ? `; ${count(alike!.length, 'Pod')} nearly ${alike!.length === 1 ? 'does' : 'do'}: ${best.differences.join('; ')}`
    : elsewhere.length > 0
      ? `; ${count(elsewhere.length, 'Pod')} in namespace ${elsewhere[0]!.metadata.namespace} would match`
      : `; the namespace has ${count(candidates.length, 'Pod')}`
  return {
    subject: serviceSubject(service),
    message: `${text} selects no Pod in ${namespace}${hint}`,
    observed: best
      ? `nearest Pod ${best.pod.metadata.name}: ${labelsText(best.pod.metadata.labels ?? {})}`
      : '0 Pods',
    expected: `Pods with ${text}`,
    evidence: [
      { command: `kubectl -n ${namespace} get pods -l ${text}`, shows: 'No resources found' },
      {
        command: `kubectl -n ${namespace} get pods --show-labels`,
        shows: some(candidates.map(labelsOf)) || 'no Pods',
      },
    ],
    fix: fixed
      ? {
          commands: [
            `kubectl -n ${namespace} patch service ${name} --type=merge -p ${json({ spec: { selector: mergeSelector(selector, best.selector) } })}`,
          ],
          risk: `the Service then sends to every Pod with ${fixed}`,
        }
      : {
          commands: [`kubectl -n ${namespace} get deployments,statefulsets,daemonsets`],
          risk: 'looks only; start the workload, or give the Service the right selector',
        },
    affects: [keyOfService(service)],
    settling: one.settling,
  }
}

const labelsOf = (pod: Pod): string =>
  `${pod.metadata.name} (${labelsText(pod.metadata.labels ?? {})})`

/** As a merge patch: labels that are not wanted any more have to be set to null. */
function mergeSelector(
  from: Readonly<Record<string, string>>,
  to: Readonly<Record<string, string>>,
): Record<string, string | null> {
  const dropped = Object.keys(from).filter((key) => !(key in to))
  return { ...Object.fromEntries(dropped.map((key) => [key, null])), ...to }
}

export const noReadyEndpoint: Check = {
  id: 'E02',
  link: 'endpoints',
  title: 'No ready endpoint',
  severity: 'error',
  confidence: 'proof',
  needs: ['services', 'pods', 'endpointslices'],
  explains: ['X04', 'T01', 'T03', 'S19'],
  page: {
    symptom: 'Connections to the Service are refused although its Pods exist.',
    decides:
      'Pods match the selector, but no EndpointSlice of the Service has an endpoint that is ready, nor one that still serves while it ends. The reasons are counted over the Pods.',
    remedy: 'Mend what keeps the Pods from being ready; the reason names it.',
    sources: ['kubernetes.io: Debug Services', 'KEP-1669 (terminating endpoints)'],
  },
  run: (view) =>
    view.serviceViews
      .filter(
        (one) =>
          isServed(one) &&
          one.matching.length > 0 &&
          one.usable.size === 0 &&
          !one.matching.some((pod) => membershipOf(pod, one.service).isIn),
      )
      .map(noneReady),
}

function noneReady(one: ServiceView): Finding {
  const { service, matching } = one
  const { namespace, name } = service.metadata
  const reasons = new Map<string, Pod[]>()
  for (const pod of matching) {
    const { why } = membershipOf(pod, service)
    reasons.set(why, [...(reasons.get(why) ?? []), pod])
  }
  const counted = [...reasons].sort(([, one], [, other]) => other.length - one.length)
  const text = counted.map(([why, pods]) => `${pods.length}× ${why}`).join('; ')
  const first = counted[0]![1][0]!.metadata.name
  const crashed = /CrashLoopBackOff|exit code/.test(counted[0]![0])
  return {
    subject: serviceSubject(service),
    message: `${count(matching.length, 'Pod')} ${matching.length === 1 ? 'matches' : 'match'}, none ready: ${text}`,
    observed: text,
    expected: 'at least one ready endpoint',
    evidence: [
      {
        command: `kubectl -n ${namespace} get endpointslices -l kubernetes.io/service-name=${name}`,
        shows: `${count(one.slices.length, 'slice')}, 0 ready endpoints`,
      },
      {
        command: `kubectl -n ${namespace} get pods -l ${labelsText(one.selector ?? {})}`,
        shows: some(matching.map((pod) => pod.metadata.name)),
      },
    ],
    fix: {
      commands: crashed
        ? [`kubectl -n ${namespace} logs ${first} --previous`]
        : [`kubectl -n ${namespace} describe pod ${first}`],
      risk: 'looks only: it shows what the Pod waits for',
    },
    affects: [keyOfService(service)],
    settling: one.settling,
  }
}

export const targetPortMissing: Check = {
  id: 'E03',
  link: 'endpoints',
  title: 'The named targetPort is declared by no Pod',
  severity: 'error',
  confidence: 'proof',
  needs: ['services', 'pods'],
  explains: ['X04', 'T01', 'T03', 'P07', 'S19'],
  page: {
    symptom: 'Pods are ready, the EndpointSlice lists them, and connections are still refused.',
    decides:
      '`targetPort` is a name, and no container of a matching Pod declares a port of that name and protocol; the slice then has the address and no port.',
    remedy: 'Use the name the Pods declare, or the number, or declare the port.',
    sources: ['kubernetes/website#32838', 'kubernetes/kubernetes#3838'],
  },
  run: (view) => view.serviceViews.filter(isServed).flatMap(missingTargets),
}

function missingTargets(one: ServiceView): Finding[] {
  const { service, matching } = one
  const { namespace, name } = service.metadata
  if (matching.length === 0) return []
  return (service.spec.ports ?? []).flatMap((port, index) => {
    if (typeof port.targetPort !== 'string') return []
    if (matching.some((pod) => targetPortOn(pod, port) !== undefined)) return []
    const declared = matching[0]!.spec.containers.flatMap(({ ports }) => ports ?? [])
    const names = declared.map(
      (one) => `${one.name ?? '(no name)'}=${one.containerPort}/${one.protocol ?? 'TCP'}`,
    )
    const alike = declared.filter(({ protocol = 'TCP' }) => protocol === (port.protocol ?? 'TCP'))
    const only = alike.length === 1 ? alike[0] : undefined
    const target = only?.name ?? only?.containerPort ?? alike.find(({ name }) => name)?.name
    return {
      subject: serviceSubject(service),
      message: `targetPort "${port.targetPort}" of port ${port.port} is declared by no Pod; Pods declare ${names.join(', ') || 'no ports'}`,
      observed: names.join(', ') || 'no ports declared',
      expected: `a container port named "${port.targetPort}" (${port.protocol ?? 'TCP'})`,
      evidence: [
        {
          command: `kubectl -n ${namespace} get pod ${matching[0]!.metadata.name} -o jsonpath='{.spec.containers[*].ports}'`,
          shows: names.join(', ') || 'nothing',
        },
        {
          command: `kubectl -n ${namespace} get endpointslices -l kubernetes.io/service-name=${name}`,
          shows: 'PORTS is <unset>',
        },
      ],
      fix: {
        commands: [
          `kubectl -n ${namespace} patch service ${name} --type=json -p ${json([
            {
              op: 'replace',
              path: `/spec/ports/${index}/targetPort`,
              value: target ?? port.port,
            },
          ])}`,
        ],
        risk: `connections then go to ${target ?? port.port} of the Pods`,
      },
      affects: [keyOfService(service)],
    }
  })
}

export const portNameMismatch: Check = {
  id: 'E08',
  link: 'endpoints',
  title: 'A slice and the Service name the port differently',
  severity: 'error',
  confidence: 'proof',
  needs: ['services', 'endpointslices'],
  explains: ['X04', 'T01', 'T03', 'S19'],
  page: {
    symptom:
      'A Service without selector has a hand-made EndpointSlice, and connections are refused.',
    decides:
      'Proxies join a slice to a Service port by the name of the port, never by its number. A slice names a port that the Service does not have, while a port of the Service is in no slice with endpoints: that port is nobody.',
    remedy: 'Give the port the same name on both sides; the unnamed port is named "".',
    sources: ['kubernetes/kubernetes#123954', 'kubernetes/website#45579'],
  },
  run: (view) =>
    view.serviceViews.filter((one) => isServed(one) && !isHeadless(one)).flatMap(strayNames),
}

const isHeadless = ({ service }: ServiceView): boolean => service.spec.clusterIP === 'None'

/** A name more than the Service has is harmless while all its own ports are served. */
function strayNames({ service, slices }: ServiceView): Finding[] {
  const { namespace, name } = service.metadata
  const wanted = (service.spec.ports ?? []).map((port) => port.name ?? '')
  const filled = slices.filter(({ endpoints }) => (endpoints ?? []).length > 0)
  const served = new Set(
    filled.flatMap(({ ports }) => (ports ?? []).map((port) => port.name ?? '')),
  )
  const right = wanted.find((one) => !served.has(one))
  if (right === undefined) return []
  return filled.flatMap((slice) => {
    const ports = slice.ports ?? []
    const stray = ports.findIndex((port) => !wanted.includes(port.name ?? ''))
    if (stray < 0) return []
    const has = ports[stray]!.name ?? ''
    return [
      {
        subject: { kind: 'EndpointSlice', namespace, name: slice.metadata.name },
        message: `slice port is named "${has}", the Service's is "${right}": proxies pass it over`,
        observed: `slice ${slice.metadata.name}: ${ports.map((port) => `"${port.name ?? ''}"=${port.port}`).join(', ')}`,
        expected: `ports named ${wanted.map((one) => `"${one}"`).join(', ')}`,
        evidence: [
          {
            command: `kubectl -n ${namespace} get service ${name} -o jsonpath='{.spec.ports[*].name}'`,
            shows: wanted.join(' ') || '(none)',
          },
          {
            command: `kubectl -n ${namespace} get endpointslice ${slice.metadata.name} -o jsonpath='{.ports[*].name}'`,
            shows: ports.map((port) => port.name ?? '').join(' ') || '(none)',
          },
        ],
        fix: {
          commands: [
            `kubectl -n ${namespace} patch endpointslice ${slice.metadata.name} --type=json -p ${json([{ op: 'add', path: `/ports/${stray}/name`, value: right }])}`,
          ],
          risk: 'the endpoints of the slice get connections at once',
        },
        affects: [keyOfService(service)],
      },
    ]
  })
}

export const nobodyBehind: Check = {
  id: 'S10',
  link: 'endpoints',
  title: 'Nobody stands behind the Service',
  severity: 'error',
  confidence: 'proof',
  needs: ['services', 'endpointslices'],
  explains: ['X04', 'T01', 'T03', 'S19'],
  page: {
    symptom: 'Connections are refused; `kubectl get endpointslices` shows nothing for the Service.',
    decides: 'The Service has no selector, and no EndpointSlice bears its name.',
    remedy: 'Add a selector, or an EndpointSlice with the label kubernetes.io/service-name.',
    sources: ['kubernetes/website#45579'],
  },
  run: (view) =>
    view.serviceViews
      .filter(
        (one) =>
          isServed(one) &&
          one.selector === undefined &&
          one.slices.length === 0 &&
          // Leader-election locks and managed sets of slices are headless and empty on purpose.
          !isHeadless(one),
      )
      .map(({ service, settling }) => {
        const { namespace, name } = service.metadata
        return {
          subject: serviceSubject(service),
          message: 'no selector, and no EndpointSlice is made for it by hand',
          observed: '0 EndpointSlices',
          expected: 'a selector, or at least one EndpointSlice',
          evidence: [
            {
              command: `kubectl -n ${namespace} get endpointslices -l kubernetes.io/service-name=${name}`,
              shows: 'No resources found',
            },
          ],
          fix: {
            commands: [
              `kubectl -n ${namespace} patch service ${name} --type=merge -p ${json({ spec: { selector: { app: name } } })}`,
            ],
            risk: `the Service then sends to every Pod with app=${name}; use the label your Pods have`,
          },
          affects: [keyOfService(service)],
          settling,
        }
      }),
}
