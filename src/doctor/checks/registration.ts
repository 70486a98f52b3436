// A and S: is there such a Service here, and does it have the port that is dialled?
import type { Service } from '../../api/types/core.gen.ts'
import type { Check, Finding } from '../check.ts'
import { keyOfService } from '../check.ts'
import { targetPortOn } from '../endpoints.ts'
import { similarNames } from '../near-miss.ts'
import type { ServiceView, View } from '../view.ts'
import { portText, serviceSubject, some } from '../words.ts'

/** What was asked for by a name, where no Service has it: undefined when all is well. */
function missingService(view: View): { namespace: string; name: string } | undefined {
  const { service, external } = view.asked
  if (!service || external || view.askedService) return undefined
  return service
}

const namesakes = (view: View, name: string): readonly Service[] =>
  view.namesakes.filter(({ metadata }) => metadata.name === name)

export const otherNamespace: Check = {
  id: 'A02',
  link: 'registration',
  title: 'The Service lives in another namespace',
  severity: 'error',
  confidence: 'proof',
  needs: ['services'],
  explains: [],
  page: {
    symptom: '`kubectl get service` says NotFound, lookups say NXDOMAIN.',
    decides: 'No Service of the name in the namespace asked, and one in another namespace.',
    remedy: 'Name the namespace: `-n`, or `NAME.NAMESPACE` in the client.',
    sources: ['kubernetes.io: Debug Services, "Does the Service exist?"'],
  },
  run(view) {
    const missing = missingService(view)
    // From a Pod, with a short name, it is N01 that says it.
    if (!missing || (view.asked.client && isShort(view))) return []
    const found = namesakes(view, missing.name)
    if (found.length === 0) return []
    const where = found.map(({ metadata }) => metadata.namespace!)
    return [
      {
        subject: {
          kind: 'Name',
          namespace: missing.namespace,
          name: view.asked.name ?? missing.name,
        },
        message: `Service "${missing.name}" isn't in namespace ${missing.namespace}; there is one in ${some(where)}`,
        observed: `${missing.namespace}/${missing.name} not found`,
        expected: where.map((namespace) => `${namespace}/${missing.name}`).join(', '),
        evidence: [
          {
            command: `kubectl get services -A --field-selector metadata.name=${missing.name}`,
            shows: where.map((namespace) => `${namespace}/${missing.name}`).join(', '),
          },
        ],
        fix: {
          commands: [
            `kubectl -n ${where[0]} get service ${missing.name}`,
            `kubectl config set-context --current --namespace=${where[0]}`,
          ],
          risk: `the second makes ${where[0]} the default namespace of kubectl; clients say ${missing.name}.${where[0]}`,
        },
        affects: [`service/${missing.namespace}/${missing.name}`],
      },
    ]
  },
}

const isShort = ({ asked }: View): boolean => !(asked.name ?? '').includes('.')

export const noSuchService: Check = {
  id: 'A04',
  link: 'registration',
  title: 'No such Service',
  severity: 'error',
  confidence: 'proof',
  needs: ['services'],
  explains: [],
  page: {
    symptom: 'The name gives NXDOMAIN everywhere.',
    decides: 'No Service has the name, in any namespace. Names almost like it are listed.',
    remedy: 'Correct the name, or make the Service.',
    sources: ['kubernetes.io: Debug Services'],
  },
  run(view) {
    const missing = missingService(view)
    if (!missing || namesakes(view, missing.name).length > 0) return []
    const { namespace, name } = missing
    const similar = similarNames(
      name,
      view.namesakes.map(({ metadata }) => metadata.name),
    )
    const hint = similar.length > 0 ? `; did you mean ${some(similar)}?` : ''
    return [
      {
        subject: { kind: 'Name', namespace, name: view.asked.name ?? name },
        message: `no Service "${name}" in any namespace${hint}`,
        observed: 'no such Service',
        expected: `a Service ${namespace}/${name}`,
        evidence: [
          {
            command: `kubectl get services -A --field-selector metadata.name=${name}`,
            shows: 'No resources found',
          },
        ],
        fix:
          similar.length > 0
            ? {
                commands: [`kubectl -n ${namespace} get service ${similar[0]}`],
                risk: 'looks only',
              }
            : {
                commands: [`kubectl -n ${namespace} expose deployment ${name} --port=80`],
                risk: 'makes a Service for the Deployment of that name, if there is one',
              },
        affects: [`service/${namespace}/${name}`],
      },
    ]
  },
}

export const wrongPort: Check = {
  id: 'S19',
  link: 'registration',
  title: 'A port is dialled that the Service does not have',
  severity: 'error',
  confidence: 'proof',
  needs: ['services'],
  explains: ['X04'],
  page: {
    symptom: 'Connection refused on the Service, while the Pods answer.',
    decides:
      'The port dialled is none of `spec.ports[].port`. Mostly it is the targetPort or the nodePort, which the ClusterIP does not serve.',
    remedy: 'Dial the Service port.',
    sources: ['kubernetes.io: Debug Services, "Is the Service defined correctly?"'],
  },
  run(view) {
    const { askedService: one, asked } = view
    if (!one || asked.port === undefined || one.service.spec.type === 'ExternalName') return []
    const finding = dialled(one, asked.port)
    return finding ? [finding] : []
  },
}

function dialled({ service, matching }: ServiceView, asked: number | string): Finding | undefined {
  const { namespace, name } = service.metadata
  const ports = service.spec.ports ?? []
  if (ports.some((port) => port.port === asked || port.name === asked)) return undefined
  // Without port mapping a headless Service is dialled at its Pods' ports.
  const isHeadless = service.spec.clusterIP === 'None'
  const isTarget = (port: (typeof ports)[number]): boolean =>
    port.targetPort === asked || matching.some((pod) => targetPortOn(pod, port) === asked)
  if (isHeadless && ports.some(isTarget)) return undefined
  const role = (port: (typeof ports)[number]): string | undefined =>
    isTarget(port) ? 'targetPort' : port.nodePort === asked ? 'nodePort' : undefined
  const meant = ports.find((port) => role(port) !== undefined)
  const served = ports.map(portText).join(', ') || 'no port'
  const right = meant ?? ports[0]
  return {
    subject: serviceSubject(service),
    message: `${name} serves ${served}; you dialled ${asked}${meant ? ` (its ${role(meant)})` : ''}`,
    observed: `port ${asked}`,
    expected: [...new Set(ports.map(({ port }) => port))].join(' or '),
    evidence: [
      {
        command: `kubectl -n ${namespace} get service ${name} -o jsonpath='{.spec.ports}'`,
        shows: served,
      },
    ],
    fix: {
      commands: right ? [`curl http://${name}.${namespace}:${right.port}/`] : [],
      risk: 'asks the Service at the port it has',
    },
    affects: [keyOfService(service)],
  }
}
