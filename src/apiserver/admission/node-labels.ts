// Labels of the kubernetes.io and k8s.io domains that a node may not set on itself: it could draw
// Pods to it with them. Those a kubelet needs are listed (k8s.io/kubelet, pkg/apis).

const kubeletLabels: ReadonlySet<string> = new Set([
  'kubernetes.io/hostname',
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
  'node.kubernetes.io/instance-type',
  'beta.kubernetes.io/instance-type',
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'node.kubernetes.io/windows-build',
])

const kubeletDomains = ['kubelet.kubernetes.io', 'node.kubernetes.io']
const restrictedDomain = 'node-restriction.kubernetes.io'

type Labels = Readonly<Record<string, string>>

/** Sorted names of labels that differ and are not the node's to change. */
export function forbiddenLabels(next: Labels, old: Labels): string[] {
  const names = new Set([...Object.keys(next), ...Object.keys(old)])
  return [...names].filter((name) => next[name] !== old[name] && !isOwn(name)).sort()
}

function isOwn(label: string): boolean {
  const slash = label.indexOf('/')
  const domain = slash === -1 ? '' : label.slice(0, slash)
  if (isWithin(domain, restrictedDomain)) return false
  if (!isWithin(domain, 'kubernetes.io') && !isWithin(domain, 'k8s.io')) return true
  return kubeletLabels.has(label) || kubeletDomains.some((own) => isWithin(domain, own))
}

const isWithin = (domain: string, parent: string): boolean =>
  domain === parent || domain.endsWith(`.${parent}`)
