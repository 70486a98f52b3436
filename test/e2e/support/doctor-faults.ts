// Faults as manifests, a namespace each, and a healthy set that has a bit of everything.

export interface Fault {
  readonly id: string
  /** Also the namespace. */
  readonly name: string
  readonly manifests: string
  /** Arguments of `signpost doctor`. */
  readonly ask: string
  /** What its message has to say. */
  readonly says: RegExp
  /** Its fix, run as it stands, ends the fault. */
  readonly mends?: true
  /** Pods that have to be Running (or ready) before it is asked. */
  readonly running?: readonly string[]
}

const namespace = (name: string): string => `
apiVersion: v1
kind: Namespace
metadata: { name: ${name} }
---`

interface PodOptions {
  readonly labels?: string
  readonly port?: string
  readonly spec?: string
  readonly container?: string
  readonly image?: string
  readonly command?: string
}

export function pod(space: string, name: string, options: PodOptions = {}): string {
  const { labels = `app: ${name}`, port = '{ containerPort: 8080 }', spec = '' } = options
  const { container = '', image = 'signpost/echo', command } = options
  return `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${space}, labels: { ${labels} } }
spec:
  terminationGracePeriodSeconds: 0
${spec}
  containers:
  - name: app
    image: ${image}
    ports: [${port}]
${command === undefined ? '' : `    command: ${command}`}
${container}
---`
}

const client = (space: string, spec = ''): string =>
  pod(space, 'client', {
    image: 'signpost/shell',
    command: '["sleep", "infinity"]',
    port: '',
    spec,
  })

export function service(space: string, name: string, spec = ''): string {
  const more =
    spec === '' ? `  selector: { app: ${name} }\n  ports: [{ port: 80, targetPort: 8080 }]` : spec
  return `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${space} }
spec:
${more}
---`
}

interface SliceOptions {
  readonly port: string
  readonly node?: string
}

const slice = (space: string, name: string, { port, node }: SliceOptions): string => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: ${name}-1
  namespace: ${space}
  labels: { kubernetes.io/service-name: ${name}, endpointslice.kubernetes.io/managed-by: me }
addressType: IPv4
ports: [${port}]
endpoints: [{ addresses: [10.244.9.9]${node ? `, nodeName: ${node}` : ''} }]
---`

const loopbackApp =
  '["sh", "-c", "exec \\"$SIGNPOST_NODE\\" -e \'require(\\"http\\").createServer((q,r)=>r.end(\\"hi\\")).listen(8080,\\"127.0.0.1\\")\'"]'

export const faults: readonly Fault[] = [
  {
    id: 'E01',
    mends: true,
    name: 'e01',
    manifests: service('e01', 'web') + pod('e01', 'web-v2', { labels: 'app: web-v2' }),
    ask: 'web -n e01',
    says: /app=web selects no Pod in e01; 1 Pod nearly does: app: web \(Service\), app: web-v2 \(Pod\)/,
  },
  {
    id: 'E02',
    name: 'e02',
    manifests:
      service('e02', 'web') +
      pod('e02', 'web', {
        container:
          '    readinessProbe: { httpGet: { path: /nope/readyz, port: 9 }, periodSeconds: 1 }',
      }),
    ask: 'web -n e02',
    says: /1 Pod matches, none ready: 1× readiness probe GET :9\/nope\/readyz of container app fails/,
    running: ['web'],
  },
  {
    id: 'E03',
    mends: true,
    name: 'e03',
    manifests:
      service('e03', 'web', '  selector: { app: web }\n  ports: [{ port: 80, targetPort: http }]') +
      pod('e03', 'web', { port: '{ name: web, containerPort: 8080 }' }),
    ask: 'web -n e03',
    says: /targetPort "http" of port 80 is declared by no Pod; Pods declare web=8080\/TCP/,
    running: ['web'],
  },
  {
    id: 'E08',
    mends: true,
    name: 'e08',
    manifests:
      service('e08', 'db', '  ports: [{ name: pg, port: 5432 }]') +
      slice('e08', 'db', { port: '{ name: "", port: 5432 }' }),
    ask: 'db -n e08',
    says: /slice port is named "", the Service's is "pg"/,
  },
  {
    id: 'A02',
    name: 'a02',
    manifests: service('a02', 'shop-web') + pod('a02', 'shop-web'),
    ask: 'shop-web -n default',
    says: /Service "shop-web" isn't in namespace default; there is one in a02/,
    running: ['shop-web'],
  },
  {
    id: 'S19',
    name: 's19',
    manifests: service('s19', 'web') + pod('s19', 'web'),
    ask: 'http://web.s19:8080/ -n s19',
    says: /web serves 80\/TCP \(→ 8080\); you dialled 8080 \(its targetPort\)/,
    running: ['web'],
  },
  {
    id: 'P07',
    name: 'p07',
    manifests:
      service('p07', 'web') + pod('p07', 'web', { image: 'signpost/shell', command: loopbackApp }),
    ask: 'web -n p07',
    says: /web listens on 127\.0\.0\.1:8080 only/,
    running: ['web'],
  },
  {
    id: 'N01',
    name: 'n01',
    manifests: client('n01'),
    ask: 'shop-web -n n01 --from client',
    says: /from n01, "shop-web" means shop-web\.n01; yours is shop-web\.a02/,
    running: ['client'],
  },
  {
    id: 'N03',
    name: 'n03',
    manifests: client('n03'),
    ask: 'api.example.com -n n03 --from client',
    says: /one lookup of api\.example\.com is 8 queries, 6 of them in vain/,
    running: ['client'],
  },
  {
    id: 'N05',
    name: 'n05',
    manifests: client('n05', '  dnsConfig: { searches: [corp.test] }'),
    ask: 'api.example.com -n n05 --from client',
    says: /\*\.corp\.test is a wildcard: every name with few dots resolves to 203\.0\.113\.9/,
    running: ['client'],
  },
  {
    id: 'N07',
    name: 'n07',
    manifests: client('n07', '  dnsPolicy: Default'),
    ask: 'shop-web.a02 -n n07 --from client',
    says: /dnsPolicy Default: asks the node's name servers/,
    running: ['client'],
  },
  {
    id: 'C01',
    mends: true,
    name: 'c01',
    manifests: `${client('c01')}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: default-deny, namespace: c01 }
spec: { podSelector: {}, policyTypes: [Egress] }
---`,
    ask: 'pod/client -n c01',
    says: /default-deny keeps 1 Pod from asking the DNS/,
    running: ['client'],
  },
  {
    id: 'T01',
    mends: true,
    name: 't01',
    manifests:
      service(
        't01',
        'web',
        '  type: NodePort\n  externalTrafficPolicy: Local\n  ports: [{ name: http, port: 80 }]',
      ) + slice('t01', 'web', { port: '{ name: http, port: 8080 }', node: 'elsewhere' }),
    ask: 'web -n t01',
    says: /externalTrafficPolicy is Local, and no node has one of its endpoints/,
  },
  {
    id: 'T03',
    mends: true,
    name: 't03',
    manifests:
      client('t03') +
      service('t03', 'web', '  internalTrafficPolicy: Local\n  ports: [{ name: http, port: 80 }]') +
      slice('t03', 'web', { port: '{ name: http, port: 8080 }', node: 'elsewhere' }),
    ask: 'web -n t03 --from client',
    says: /internalTrafficPolicy is Local, and no node has one of its endpoints/,
    running: ['client'],
  },
]

export const faultManifests: string = faults
  .map(({ name, manifests }) => namespace(name) + manifests)
  .join('')

const deployment = (space: string, name: string): string => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: ${space} }
spec:
  replicas: 2
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: app
        image: signpost/echo
        ports: [{ name: http, containerPort: 8080 }]
        readinessProbe: { httpGet: { path: /readyz, port: http }, periodSeconds: 1 }
---`

/** A Service with Pods, one to be rolled, a headless, an ExternalName and a selectorless one. */
export const healthyManifests: string =
  namespace('healthy') +
  deployment('healthy', 'web') +
  deployment('healthy', 'rolling') +
  service('healthy', 'web') +
  service(
    'healthy',
    'rolling',
    '  selector: { app: rolling }\n  ports: [{ port: 80, targetPort: http }]',
  ) +
  service(
    'healthy',
    'headless',
    '  clusterIP: None\n  selector: { app: web }\n  ports: [{ port: 8080 }]',
  ) +
  service('healthy', 'outside', '  type: ExternalName\n  externalName: www.example.com') +
  service('healthy', 'by-hand', '  ports: [{ name: pg, port: 5432 }]') +
  slice('healthy', 'by-hand', { port: '{ name: pg, port: 5432 }' }) +
  service(
    'healthy',
    'kept-local',
    '  type: NodePort\n  internalTrafficPolicy: Local\n  externalTrafficPolicy: Local\n  selector: { app: web }\n  ports: [{ port: 80, targetPort: http }]',
  ) +
  client('healthy')

export const healthyTargets: readonly string[] = [
  'web',
  'web:80',
  'headless',
  'outside',
  'by-hand',
  'kept-local',
  'rolling',
  'pod/client',
  'web --from client',
  'web.healthy.svc.cluster.local --from client',
  'kubernetes.default',
]
