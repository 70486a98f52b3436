import { describe, expect, it } from 'vitest'
import { draftOf } from '../../api/machinery/draft.ts'
import type { KubeObject, Resource } from '../../api/machinery/resource.ts'
import type { StatusError } from '../../api/machinery/status.ts'
import * as resources from '../../api/resources.gen.ts'
import type { Pod } from '../../api/types/core.gen.ts'
import { seededRandom } from '../../lib/random.ts'
import { allow, noOpinion } from '../rbac/attributes.ts'
import { admit, builtIn, createChain, last, validate } from './admission.ts'
import type { AdmissionContext, AdmissionPlugin, AdmissionRequest } from './request.ts'

type Stored = Readonly<Record<string, readonly KubeObject[]>>
const user = { name: 'alice', uid: '', groups: ['system:authenticated'], extra: {} }
const { configmaps, ingresses, namespaces, nodes, pods, resourcequotas, services } = resources

const meta = (name: string, more: object = {}) => ({ metadata: { name, ...more } }) as KubeObject
const inA = (name: string, more: object) => ({ ...meta(name, { namespace: 'a' }), ...more })

/** Namespace "a" with its default ServiceAccount, and what a case adds. */
function contextOf(stored: Stored = {}, waits: (() => void)[] = []): AdmissionContext {
  const all: Stored = {
    namespaces: [meta('a')],
    serviceaccounts: [inA('default', {})],
    ...stored,
  }
  const keyOf = ({ metadata: { namespace, name } }: KubeObject) =>
    namespace ? `${namespace}/${name}` : name
  return {
    reader: <T extends KubeObject>(resource: Resource<T>) => {
      const list = () => (all[resource.plural] ?? []) as readonly T[]
      return {
        get: (key) => list().find((object) => keyOf(object) === key),
        list: (of) => list().filter((object) => !of || object.metadata.namespace === of),
      }
    },
    authorize: () => noOpinion(),
    rbac: { authorize: () => noOpinion(), rulesFor: () => ({ rules: [], errors: [] }) },
    roles: {
      clusterRole: () => undefined,
      role: () => undefined,
      clusterRoleBindings: () => [],
      roleBindings: () => [],
      version: () => 0,
    },
    clock: {
      now: () => 0,
      async sleep() {
        waits.shift()?.()
      },
    },
    random: seededRandom(1),
  }
}

function requestOf(
  resource: Resource,
  object: object,
  more: Partial<AdmissionRequest> = {},
): AdmissionRequest {
  const draft = draftOf({
    metadata: { name: 'x', namespace: 'a' },
    ...object,
  }) as never as KubeObject
  return {
    operation: 'CREATE',
    resource,
    subresource: '',
    namespace: resource.namespaced ? 'a' : '',
    name: draft.metadata.name,
    object: draft as AdmissionRequest['object'],
    old: undefined,
    user,
    options: {},
    dryRun: false,
    warnings: [],
    auditAnnotations: {},
    alongside: [],
    ...more,
  }
}

/** Runs the whole chain; the refusal, if any. */
async function play(request: AdmissionRequest, context: AdmissionContext) {
  return (await admit(request, context)) ?? (await validate(request, context))
}

const messageOf = (refusal: StatusError | undefined) => refusal?.message

const podWith = (spec: object, metadata: object = {}) => ({
  metadata: { name: 'x', namespace: 'a', ...metadata },
  spec: { containers: [{ name: 'c', image: 'i', resources: {} }], ...spec },
})

async function checkPod(spec: object, stored: Stored, want: string | undefined) {
  expect(messageOf(await play(requestOf(pods, podWith(spec)), contextOf(stored)))).toBe(want)
}

describe('the chain', () => {
  it('has Kubernetes’ order', () => {
    expect([...builtIn, ...last].map(({ name }) => name)).toEqual([
      'NamespaceLifecycle',
      'LimitRanger',
      'ServiceAccount',
      'NodeRestriction',
      'TaintNodesByCondition',
      'PodSecurity',
      'Priority',
      'DefaultTolerationSeconds',
      'DefaultStorageClass',
      'StorageObjectInUseProtection',
      'PersistentVolumeClaimResize',
      'RuntimeClass',
      'CertificateApproval',
      'CertificateSigning',
      'DefaultIngressClass',
      'PodTopologyLabels',
      'ResourceQuota',
      'RBACEscalation',
    ])
  })

  it('names only resources that are served', () => {
    const served = new Set(
      resources.allResources.flatMap(({ group, plural, subresources }) => {
        const name = group === '' ? plural : `${plural}.${group}`
        return [name, ...subresources.map((sub) => `${name}/${sub.name}`)]
      }),
    )
    const named = [...builtIn, ...last].flatMap((plugin) => plugin.resources ?? [])
    expect(named.filter((name) => !served.has(name))).toEqual([])
  })

  it('answers at once unless a plugin waits, and goes on behind it', async () => {
    expect(admit(requestOf(configmaps, {}), contextOf())).toBeUndefined()
    const seen: string[] = []
    const slow: AdmissionPlugin = {
      name: 'Slow',
      operations: ['CREATE'],
      async admit() {
        seen.push('slow')
        return undefined
      },
    }
    const fast: AdmissionPlugin = {
      name: 'Fast',
      operations: ['CREATE'],
      admit() {
        seen.push('fast')
        return undefined
      },
    }
    await createChain([slow, fast]).admit(requestOf(configmaps, {}), contextOf())
    expect(seen).toEqual(['slow', 'fast'])
  })
})

describe('NamespaceLifecycle', () => {
  it('knows the Namespaces that stay', async () => {
    const request = requestOf(namespaces, meta('default'), {
      operation: 'DELETE',
      name: 'default',
      object: undefined,
    })
    expect(messageOf(await play(request, contextOf()))).toBe(
      'namespaces "default" is forbidden: this namespace may not be deleted',
    )
  })
  it('answers 404 for a Namespace that is not there', async () => {
    const refusal = await play(requestOf(configmaps, {}), contextOf({ namespaces: [] }))
    expect([refusal?.code, refusal?.message]).toEqual([404, 'namespaces "a" not found'])
  })
  it('refuses new content while terminating, with the cause clients look for', async () => {
    const terminating = { ...meta('a'), status: { phase: 'Terminating' } } as KubeObject
    const refusal = await play(requestOf(configmaps, {}), contextOf({ namespaces: [terminating] }))
    expect(refusal?.message).toBe(
      'configmaps "x" is forbidden: unable to create new content in namespace a because it is being terminated',
    )
    expect(refusal?.status.details?.causes).toEqual([
      {
        reason: 'NamespaceTerminating',
        message: 'namespace a is being terminated',
        field: 'metadata.namespace',
      },
    ])
  })
})

describe('a minimal Pod', () => {
  it('gets account, token, priority and tolerations', async () => {
    const request = requestOf(pods, podWith({}))
    expect(await play(request, contextOf())).toBeUndefined()
    const { spec } = request.object as unknown as Pod
    expect(spec).toMatchObject({
      serviceAccountName: 'default',
      serviceAccount: 'default',
      priority: 0,
      preemptionPolicy: 'PreemptLowerPriority',
    })
    const mount = '/var/run/secrets/kubernetes.io/serviceaccount'
    const name = spec?.volumes?.[0]?.name
    expect(name).toMatch(/^kube-api-access-[b-z2-9]{5}$/)
    expect(spec?.containers[0]?.volumeMounts).toEqual([{ name, readOnly: true, mountPath: mount }])
    expect(
      spec?.tolerations?.map(({ key, tolerationSeconds }) => [key, tolerationSeconds]),
    ).toEqual([
      ['node.kubernetes.io/not-ready', 300],
      ['node.kubernetes.io/unreachable', 300],
    ])
  })

  it('gets no token where Pod or account decline', async () => {
    const off = { automountServiceAccountToken: false }
    for (const [spec, account] of [
      [off, {}],
      [{}, off],
    ] as const) {
      const request = requestOf(pods, podWith(spec))
      await play(request, contextOf({ serviceaccounts: [inA('default', account)] }))
      expect((request.object as unknown as Pod).spec?.volumes).toBeUndefined()
    }
  })

  it('waits for the default account of a Namespace just made', async () => {
    const accounts: KubeObject[] = []
    const waits = [() => {}, () => accounts.push(inA('default', {}))]
    const context = contextOf({ serviceaccounts: accounts }, waits)
    expect(await play(requestOf(pods, podWith({})), context)).toBeUndefined()
  })

  it.each([
    [
      { serviceAccountName: 'nope' },
      'pods "x" is forbidden: error looking up service account a/nope: serviceaccount "nope" not found',
    ],
    [
      { priorityClassName: 'nope' },
      'pods "x" is forbidden: no PriorityClass with name nope was found',
    ],
    [
      { priority: 7 },
      'pods "x" is forbidden: the integer value of priority (7) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name',
    ],
    [
      { runtimeClassName: 'kata' },
      'pods "x" is forbidden: pod rejected: RuntimeClass "kata" not found: runtimeclass.node.k8s.io "kata" not found',
    ],
  ])('%j is refused', (spec, want) => checkPod(spec, {}, want))
})

describe('LimitRanger', () => {
  const range = inA('l', {
    spec: {
      limits: [
        {
          type: 'Container',
          default: { cpu: '200m', memory: '1Gi' },
          defaultRequest: { cpu: '100m', memory: '1Gi' },
          max: { cpu: '1' },
          min: { cpu: '50m' },
        },
      ],
    },
  })
  const container = (resources: object) => ({ containers: [{ name: 'c', image: 'i', resources }] })

  it('fills in what containers leave out, and says so', async () => {
    const request = requestOf(pods, podWith(container({})))
    expect(await play(request, contextOf({ limitranges: [range] }))).toBeUndefined()
    const pod = request.object as unknown as Pod
    expect(pod.spec?.containers[0]?.resources).toEqual({
      limits: { cpu: '200m', memory: '1Gi' },
      requests: { cpu: '100m', memory: '1Gi' },
    })
    expect(pod.metadata.annotations?.['kubernetes.io/limit-ranger']).toBe(
      'LimitRanger plugin set: cpu, memory request for container c; cpu, memory limit for container c',
    )
  })

  it.each([
    [
      { limits: { cpu: '2' } },
      'pods "x" is forbidden: maximum cpu usage per Container is 1, but limit is 2',
    ],
    [
      { requests: { cpu: '10m' } },
      'pods "x" is forbidden: minimum cpu usage per Container is 50m, but request is 10m',
    ],
    [{ limits: { cpu: '1' } }, undefined],
  ])('%j: %s', (asked, want) => checkPod(container(asked), { limitranges: [range] }, want))
})

describe('ResourceQuota', () => {
  const quota = (hard: Record<string, string>, used: Record<string, string>, spec: object = {}) =>
    inA('q', {
      metadata: { name: 'q', namespace: 'a', resourceVersion: '7' },
      spec: { hard, ...spec },
      status: { hard, used },
    }) as KubeObject

  it('counts what it lets through, in the same commit', async () => {
    const stored = {
      resourcequotas: [quota({ 'count/configmaps': '1' }, { 'count/configmaps': '0' })],
    }
    const request = requestOf(configmaps, {})
    expect(await play(request, contextOf(stored))).toBeUndefined()
    expect(request.alongside).toMatchObject([
      {
        resource: resourcequotas,
        subresource: 'status',
        resourceVersion: '7',
        object: { status: { used: { 'count/configmaps': '1' } } },
      },
    ])
  })

  it('counts nothing in a dry run', async () => {
    const request = requestOf(configmaps, {}, { dryRun: true })
    await play(
      request,
      contextOf({ resourcequotas: [quota({ configmaps: '1' }, { configmaps: '0' })] }),
    )
    expect(request.alongside).toEqual([])
  })

  it.each([
    [
      configmaps,
      {},
      'count/configmaps',
      '1',
      '1',
      'configmaps "x" is forbidden: exceeded quota: q, requested: count/configmaps=1, used: count/configmaps=1, limited: count/configmaps=1',
    ],
    [
      services,
      { spec: { type: 'ClusterIP' } },
      'services',
      '1',
      '1',
      'services "x" is forbidden: exceeded quota: q, requested: services=1, used: services=1, limited: services=1',
    ],
    [
      services,
      { spec: { type: 'NodePort', ports: [{}, {}] } },
      'services.nodeports',
      '1',
      '0',
      'services "x" is forbidden: exceeded quota: q, requested: services.nodeports=2, used: services.nodeports=0, limited: services.nodeports=1',
    ],
    [services, { spec: { type: 'ClusterIP' } }, 'services.nodeports', '0', '0', undefined],
    [
      pods,
      podWith({
        containers: [
          { name: 'a', resources: { requests: { cpu: '1' } } },
          { name: 'b', resources: { requests: { cpu: '1' } } },
        ],
      }),
      'requests.cpu',
      '1',
      '0',
      'pods "x" is forbidden: exceeded quota: q, requested: requests.cpu=2, used: requests.cpu=0, limited: requests.cpu=1',
    ],
    [
      pods,
      podWith({}),
      'requests.cpu',
      '1',
      '0',
      'pods "x" is forbidden: failed quota: q: must specify requests.cpu for: c',
    ],
  ])('%o %j of %s', async (resource, object, name, hard, used, want) => {
    const context = contextOf({ resourcequotas: [quota({ [name]: hard }, { [name]: used })] })
    expect(messageOf(await play(requestOf(resource as Resource, object), context))).toBe(want)
  })

  it('is about the scopes it names', async () => {
    const bestEffort = quota({ pods: '0' }, { pods: '0' }, { scopes: ['BestEffort'] })
    const stored = { resourcequotas: [bestEffort] }
    await checkPod(
      {},
      stored,
      'pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0',
    )
    const resources = { requests: { cpu: '1' } }
    await checkPod({ containers: [{ name: 'c', image: 'i', resources }] }, stored, undefined)
  })
})

describe('PodSecurity', () => {
  const label = (mode: string, level: string) => ({
    namespaces: [meta('a', { labels: { [`pod-security.kubernetes.io/${mode}`]: level } })],
  })
  const good = {
    securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [
      {
        name: 'c',
        image: 'i',
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
      },
    ],
  }

  it.each([
    [
      'baseline',
      { hostNetwork: true },
      'pods "x" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)',
    ],
    [
      'baseline',
      { volumes: [{ name: 'v', hostPath: { path: '/' } }] },
      'pods "x" is forbidden: violates PodSecurity "baseline:latest": hostPath volumes (volume "v")',
    ],
    [
      'baseline',
      {
        containers: [
          {
            name: 'c',
            securityContext: { privileged: true, capabilities: { add: ['SYS_ADMIN'] } },
          },
        ],
      },
      'pods "x" is forbidden: violates PodSecurity "baseline:latest": non-default capabilities (container "c" must not include "SYS_ADMIN" in securityContext.capabilities.add), privileged (container "c" must not set securityContext.privileged=true)',
    ],
    ['baseline', {}, undefined],
    [
      'restricted',
      {},
      'pods "x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
    ],
    ['restricted', good, undefined],
    ['privileged', { hostPID: true }, undefined],
  ])('%s: %j', (level, spec, want) => checkPod(spec, label('enforce', level), want))

  it('warns without refusing', async () => {
    const request = requestOf(pods, podWith({ hostPID: true }))
    expect(await play(request, contextOf(label('warn', 'baseline')))).toBeUndefined()
    expect(request.warnings).toEqual([
      'would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)',
    ])
  })
})

describe('NodeRestriction', () => {
  const node = { ...user, name: 'system:node:n1', groups: ['system:nodes'] }
  const check = async (
    resource: Resource,
    object: object,
    more: object,
    want: string | undefined,
  ) => {
    const request = requestOf(resource, object, { user: node, ...more })
    expect(messageOf(await play(request, contextOf()))).toBe(want)
  }
  it.each([
    [nodes, meta('n1'), { name: 'n1' }, undefined],
    [
      nodes,
      meta('n2'),
      { name: 'n2' },
      'nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2"',
    ],
    [
      nodes,
      meta('n1', {
        labels: { 'kubernetes.io/hostname': 'n1', 'node-role.kubernetes.io/control-plane': '' },
      }),
      { name: 'n1' },
      'nodes "n1" is forbidden: node "n1" is not allowed to set the following labels: node-role.kubernetes.io/control-plane',
    ],
    [
      pods,
      podWith({ nodeName: 'n1' }),
      {},
      'pods "x" is forbidden: pod does not have "kubernetes.io/config.mirror" annotation, node "n1" can only create mirror pods',
    ],
    [
      pods,
      podWith({ nodeName: 'n1' }),
      { operation: 'UPDATE', subresource: 'status', old: podWith({ nodeName: 'n1' }) },
      undefined,
    ],
    [
      pods,
      podWith({ nodeName: 'n2' }),
      { operation: 'UPDATE', subresource: 'status', old: podWith({ nodeName: 'n2' }) },
      'pods "x" is forbidden: node "n1" can only update pod status for pods with spec.nodeName set to itself',
    ],
    [
      resources.leases,
      { metadata: { name: 'n2', namespace: 'a' } },
      {},
      'leases.coordination.k8s.io "n2" is forbidden: can only access leases in the "kube-node-lease" system namespace',
    ],
  ])('%o %j %j', (resource, object, more, want) => check(resource as Resource, object, more, want))
})

describe('small plugins', () => {
  it('taint a new Node until its conditions are known', async () => {
    const request = requestOf(nodes, meta('n'))
    await play(request, contextOf())
    expect(request.object).toMatchObject({
      spec: { taints: [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }] },
    })
  })

  it('give an Ingress the newest default class', async () => {
    const annotations = { 'ingressclass.kubernetes.io/is-default-class': 'true' }
    const classes = [
      meta('old', { annotations, creationTimestamp: '2020-01-01T00:00:00Z' }),
      meta('new', { annotations, creationTimestamp: '2021-01-01T00:00:00Z' }),
      meta('other'),
    ]
    const request = requestOf(ingresses, {})
    await play(request, contextOf({ ingressclasses: classes }))
    expect(request.object).toMatchObject({ spec: { ingressClassName: 'new' } })
  })

  it('let only those approve certificates who may', async () => {
    const old = { ...meta('x'), spec: { signerName: 'a.io/b', request: '' } } as KubeObject
    const request = () =>
      requestOf(resources.certificatesigningrequests, old, {
        operation: 'UPDATE',
        subresource: 'approval',
        old,
      })
    expect(messageOf(await play(request(), contextOf()))).toBe(
      'certificatesigningrequests.certificates.k8s.io "x" is forbidden: user not permitted to approve requests with signerName "a.io/b"',
    )
    const authorize = (asked: object) =>
      'name' in asked && asked.name === 'a.io/*' ? allow('') : noOpinion()
    expect(await play(request(), { ...contextOf(), authorize })).toBeUndefined()
  })
})
