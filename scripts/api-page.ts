// The page docs/reference/api.md: what is served, from the table that discovery answers from, and
// what is not, with the words a client gets.
import type { Resource } from '../src/api/machinery/resource.ts'
import { allResources } from '../src/api/resources.gen.ts'

interface Absence {
  readonly what: string
  /** What a client that asks for it gets. */
  readonly gets: string
  /** A workaround, or what happens in its place. */
  readonly instead: string
}

const verbOrder = [
  'create',
  'get',
  'list',
  'watch',
  'update',
  'patch',
  'delete',
  'deletecollection',
]
const stored = verbOrder.join(', ')

const absentFromApi: readonly Absence[] = [
  {
    what: 'Admission webhooks',
    gets: 'the two configuration kinds are validated and stored; **no webhook is called**, also with `failurePolicy: Fail`',
    instead: 'ValidatingAdmissionPolicy, which is carried out',
  },
  {
    what: 'MutatingAdmissionPolicy',
    gets: 'policies and bindings are stored; nothing is mutated',
    instead: 'none',
  },
  {
    what: 'Conversion of custom resources by webhook',
    gets: 'with `strategy: Webhook` only the storage version is in discovery; others answer 404 `the server could not find the requested resource`',
    instead: '`strategy: None`',
  },
  {
    what: 'APIServices of other servers',
    gets: 'stored, with an empty status (never Available); their paths answer 404, so `kubectl top` says `Metrics API not available`',
    instead: 'CustomResourceDefinitions',
  },
  {
    what: 'Audit log and policy',
    gets: 'each answer has its `Audit-Id`; no log is kept, and there is no flag for one',
    instead: 'none',
  },
  {
    what: 'OpenID Connect, webhook token review',
    gets: '401 `Unauthorized`; there is no flag for it',
    instead:
      'client certificates, ServiceAccount tokens, `--token-auth-file`, a front proxy (`--requestheader-*`)',
  },
  {
    what: 'Watch over WebSocket',
    gets: '200 with an empty body, then the connection is closed',
    instead: '`?watch=1` over HTTP/2 or HTTP/1.1; WebSocket serves exec, attach and port-forward',
  },
  {
    what: 'Descriptions in OpenAPI',
    gets: '`kubectl explain` names fields and types and says `<empty>` and `<no description>`; custom resources keep their own',
    instead: 'the reference at kubernetes.io',
  },
  {
    what: 'CBOR',
    gets: '406 `Not Acceptable` for Accept, 415 `the body of the request was in an unknown format` for a body',
    instead: 'JSON, YAML, protobuf',
  },
  {
    what: 'Alpha and beta versions of built-in groups',
    gets: '404 `the server could not find the requested resource`',
    instead: 'the versions listed above',
  },
]

const absentFromNode: readonly Absence[] = [
  {
    what: '`hostPort`',
    gets: 'two Pods that want the same one never share a Node; nothing listens on it',
    instead: 'a Service of type NodePort',
  },
  {
    what: 'Resource limits',
    gets: 'the scheduler counts requests; limits are stored and not enforced, no cgroup is made',
    instead: 'none',
  },
  {
    what: 'seccomp, AppArmor, SELinux',
    gets: 'stored and judged by Pod Security admission; not applied to the process',
    instead:
      'capabilities, `privileged`, `allowPrivilegeEscalation`, `runAsUser`, `fsGroup` and `readOnlyRootFilesystem` are applied',
  },
  {
    what: 'Ephemeral containers',
    gets: '`pods/ephemeralcontainers` stores them; they are never started, so `kubectl debug` waits',
    instead: '`kubectl exec`',
  },
  { what: 'Static Pods', gets: 'no manifest directory is read', instead: 'a DaemonSet' },
  {
    what: 'Provisioning of PersistentVolumeClaims, CSI',
    gets: 'claims stay Pending; a Pod with one gets the event FailedMount, `this kind of volume is not supported by this node`',
    instead: '`emptyDir`, `hostPath`',
  },
  {
    what: 'OCI images, CRI',
    gets: 'nothing is pulled; an image that is neither built in nor mapped resolves to a program of the host, or waits in ErrImagePull with a message that says what to do',
    instead: 'built-in images; `kubectl describe pod` names each substitution',
  },
  {
    what: 'NetworkPolicy, Ingress, load balancers',
    gets: 'stored and validated; nobody carries them out (`status.loadBalancer` stays empty)',
    instead: 'NodePort; `signpost doctor` reads policies as a plugin would',
  },
]

export function apiPage(): string {
  const groups = byGroupVersion(allResources)
  return [
    '<!-- Made by scripts/gen-docs.ts from src/api/resources.gen.ts; never edited. -->',
    '# What the API server serves',
    '',
    `The stable API of Kubernetes 1.36: ${allResources.length} resources in ${groups.size} group versions, and every resource that a`,
    'CustomResourceDefinition adds. JSON, YAML and protobuf; server-side apply, strategic merge, merge and JSON patches; field',
    'and label selectors, `limit` and `continue`, tables, dry run, watch with bookmarks and `sendInitialEvents`.',
    '',
    `In the tables *all* stands for ${stored}.`,
    '',
    ...[...groups].flatMap(([name, resources]) => [
      `## ${name}`,
      '',
      '| resource | kind | scope | verbs | subresources |',
      '|---|---|---|---|---|',
      ...resources.map(resourceRow),
      '',
    ]),
    '## What it does not serve',
    '',
    ...absenceTable(absentFromApi),
    '## What is stored and not carried out',
    '',
    'The API takes these as Kubernetes does; the node, or a controller that is not there, does not act on them.',
    '',
    ...absenceTable(absentFromNode),
  ]
    .join('\n')
    .replace(/\n+$/, '\n')
}

function byGroupVersion(resources: readonly Resource[]): Map<string, readonly Resource[]> {
  const groups = new Map<string, readonly Resource[]>()
  for (const resource of resources) {
    const { group, version } = resource
    const name = group === '' ? version : `${group}/${version}`
    groups.set(name, [...(groups.get(name) ?? []), resource])
  }
  return groups
}

function resourceRow(resource: Resource): string {
  const { plural, kind, namespaced, verbs, subresources } = resource
  const below = subresources.map(({ name, verbs: of }) => `${name} (${verbsText(of)})`)
  const scope = namespaced ? 'Namespace' : 'cluster'
  return `| ${plural} | ${kind} | ${scope} | ${verbsText(verbs)} | ${below.join('; ')} |`
}

function verbsText(verbs: readonly string[]): string {
  const text = verbOrder.filter((verb) => verbs.includes(verb)).join(', ')
  return text === stored ? 'all' : text
}

function absenceTable(absences: readonly Absence[]): string[] {
  return [
    '| absent | what a client gets | instead |',
    '|---|---|---|',
    ...absences.map(({ what, gets, instead }) => `| ${what} | ${gets} | ${instead} |`),
    '',
  ]
}
