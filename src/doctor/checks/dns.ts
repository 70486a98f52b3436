// D: is the DNS server there, may it read the API, and does it answer what the API says?
import type { Pod } from '../../api/types/core.gen.ts'
import type { Check, Finding, Subject } from '../check.ts'
import { isLeaving, isPodReady, reasonNotReady } from '../endpoints.ts'
import type { AccessSeen } from '../snapshot.ts'
import type { View } from '../view.ts'
import { count, labelsText, serviceSubject, some } from '../words.ts'

const namespace = 'kube-system'
const label = 'k8s-app=kube-dns'
const dnsKeys = ['dns', 'service/kube-system/kube-dns']
const subject: Subject = { kind: 'Service', namespace, name: 'kube-dns' }

const youngMs = 10_000

/** Why the DNS Pods may come by themselves in a moment. */
function settlingPods(view: View, pods: readonly Pod[]): string | undefined {
  const ages = pods.map(({ metadata }) => view.nowMs - Date.parse(metadata.creationTimestamp ?? ''))
  const youngest = Math.min(...ages)
  return youngest < youngMs
    ? `its youngest Pod was made ${Math.round(youngest / 1000)} s ago`
    : undefined
}

export const dnsServiceMissing: Check = {
  id: 'D01',
  link: 'dns',
  title: 'The DNS Service is missing or selects nobody',
  severity: 'error',
  confidence: 'proof',
  needs: ['dns-pods'],
  explains: ['D02', 'N06', 'E01', 'E02'],
  page: {
    symptom: 'Every lookup in every Pod times out.',
    decides:
      'DNS Pods run, but there is no Service kube-system/kube-dns, or its selector matches none of them.',
    remedy: 'Make the Service again at the address the kubelets hand out, or mend its selector.',
    sources: ['kubernetes.io: Debugging DNS Resolution'],
  },
  run(view) {
    const { service, pods } = view.dns
    if (pods.length === 0) return []
    const selector = service?.spec.selector ?? {}
    const terms = Object.entries(selector)
    const isMatched = pods.some(({ metadata }) =>
      terms.every(([key, value]) => metadata.labels?.[key] === value),
    )
    if (service && terms.length > 0 && isMatched) return []
    return [
      {
        subject,
        message: service
          ? `kube-dns selects ${labelsText(selector) || 'nothing'}; the DNS Pods carry ${label}`
          : `${count(pods.length, 'DNS Pod')} run, but there is no Service kube-dns`,
        observed: service ? labelsText(selector) || 'no selector' : 'no such Service',
        expected: `a Service kube-dns that selects ${label}`,
        evidence: [
          {
            command: `kubectl -n ${namespace} get service kube-dns -o wide`,
            shows: service ? `selector ${labelsText(selector)}` : 'NotFound',
          },
          { command: `kubectl -n ${namespace} get pods -l ${label}`, shows: nameList(pods) },
        ],
        fix: {
          commands: service
            ? [
                `kubectl -n ${namespace} patch service kube-dns --type=merge -p '{"spec":{"selector":{"k8s-app":"kube-dns"}}}'`,
              ]
            : [
                `kubectl -n ${namespace} expose deployment coredns --name=kube-dns --port=53 --protocol=UDP --cluster-ip=CLUSTER_DNS_IP`,
              ],
          risk: 'changes where all Pods send their lookups',
        },
        affects: dnsKeys,
      },
    ]
  },
}

const nameList = (pods: readonly Pod[]): string =>
  some(pods.map(({ metadata }) => metadata.name)) || 'No resources found'

export const dnsPodsDown: Check = {
  id: 'D02',
  link: 'dns',
  title: 'DNS Pods are not ready',
  severity: 'error',
  confidence: 'proof',
  needs: ['dns-pods'],
  explains: ['E01', 'E02', 'X04', 'N06'],
  page: {
    symptom: 'Lookups time out or are refused, in every Pod and for every name.',
    decides: 'The Service kube-dns exists and none of its Pods is ready (a warning: some are not).',
    remedy: 'See why the Pods are not ready; D03, D04 and D05 name the usual reasons.',
    sources: ['kubernetes.io: Debugging DNS Resolution, "Check if the DNS pod is running"'],
  },
  run(view) {
    const { service } = view.dns
    if (!service) return []
    // Those of before a rollout are none that should be ready.
    const pods = view.dns.pods.filter((pod) => !isLeaving(pod))
    const unready = pods.filter((pod) => !isPodReady(pod))
    if (unready.length === 0 && pods.length > 0) return []
    const reasons = [...new Set(unready.map(reasonNotReady))]
    const ready = pods.length - unready.length
    const first = unready[0]?.metadata.name
    return [
      {
        subject,
        severity: ready === 0 ? 'error' : 'warn',
        message:
          pods.length === 0
            ? `no DNS Pod at all (${label})`
            : `${ready} of ${count(pods.length, 'DNS Pod')} ready: ${some(reasons)}`,
        observed: pods.length === 0 ? '0 Pods' : `${ready}/${pods.length} ready`,
        expected: 'every DNS Pod ready',
        evidence: [
          { command: `kubectl -n ${namespace} get pods -l ${label}`, shows: nameList(pods) },
        ],
        fix: {
          commands: first
            ? [
                `kubectl -n ${namespace} describe pod ${first}`,
                `kubectl -n ${namespace} logs ${first}`,
              ]
            : [`kubectl -n ${namespace} scale deployment coredns --replicas=2`],
          risk: first ? 'looks only' : 'starts two DNS Pods',
        },
        affects: dnsKeys,
        settling: settlingPods(view, unready),
      },
    ]
  },
}

const loopLine = /plugin\/loop: Loop .*|Loop \(.*\) detected for zone.*/

export const dnsLoop: Check = {
  id: 'D03',
  link: 'dns',
  title: 'DNS forwards to itself',
  severity: 'error',
  confidence: 'proof',
  needs: ['dns-pods', 'dns-logs'],
  explains: ['D02', 'D05', 'E01', 'E02', 'X04'],
  page: {
    symptom: 'The DNS Pods crash and start again, over and over.',
    decides: 'A DNS Pod that crashed says "Loop … detected" in the log of the run before.',
    remedy:
      'Let `forward` name a real upstream. Mostly the node runs a stub resolver at 127.0.0.53: give the kubelet the real file (`resolvConf: /run/systemd/resolve/resolv.conf`).',
    sources: ['coredns: plugin/loop', 'coredns/coredns#2087', 'kubernetes/dns#288'],
  },
  run(view) {
    for (const [pod, log] of view.dns.logs) {
      const line = loopLine.exec(log)?.[0]
      if (!line) continue
      const where = /\((\S+) -> \S+\)/.exec(line)?.[1] ?? 'itself'
      return [
        {
          subject: { kind: 'Pod', namespace, name: pod },
          message: `DNS forwards to itself: the query came back from ${where}`,
          observed: line,
          expected: 'an upstream that is not this server',
          evidence: [
            { command: `kubectl -n ${namespace} logs ${pod} --previous`, shows: line },
            {
              command: `kubectl -n ${namespace} get configmap coredns -o jsonpath='{.data.Corefile}'`,
              shows: 'see its forward lines',
            },
          ],
          fix: {
            commands: [
              `kubectl -n ${namespace} edit configmap coredns`,
              `kubectl -n ${namespace} rollout restart deployment coredns`,
            ],
            risk: 'names outside the cluster are asked of the upstream you write there',
          },
          affects: dnsKeys,
        },
      ]
    }
    return []
  },
}

export const dnsForbidden: Check = {
  id: 'D04',
  link: 'dns',
  title: 'DNS may not read the API',
  severity: 'error',
  confidence: 'proof',
  needs: ['dns-pods', 'dns-access'],
  explains: ['D05', 'D02', 'D16', 'E01', 'E02', 'X04'],
  page: {
    symptom: 'SERVFAIL for cluster names, or answers that never change any more.',
    decides:
      'A SubjectAccessReview for the ServiceAccount of the DNS Pods refuses list or watch of services, endpointslices or namespaces. It is true before the Pods notice: their open watches go on for minutes.',
    remedy: 'Give the ServiceAccount its ClusterRole back.',
    sources: ['coredns/helm#135'],
  },
  run(view) {
    const refused = view.dns.access.filter(({ allowed }) => !allowed)
    const first = refused[0]
    return first ? [forbidden(first, refused)] : []
  },
}

function forbidden(first: AccessSeen, refused: readonly AccessSeen[]): Finding {
  const account = first.serviceAccount.split(':').pop()!
  const what = [...new Set(refused.map(({ verb, resource }) => `${verb} ${resource}`))]
  return {
    subject: { kind: 'ServiceAccount', namespace, name: account },
    message: `${account} may not ${some(what, 2)}`,
    observed: what.join(', '),
    expected: 'list and watch of services, endpointslices and namespaces allowed',
    evidence: refused.slice(0, 2).map(({ verb, resource, group, serviceAccount }) => ({
      command: `kubectl auth can-i ${verb} ${group === '' ? resource : `${resource}.${group}`} --as=${serviceAccount} -A`,
      shows: 'no',
    })),
    fix: {
      commands: [
        'kubectl create clusterrole system:coredns --verb=list,watch --resource=services,pods,namespaces,endpoints,endpointslices.discovery.k8s.io',
        `kubectl create clusterrolebinding system:coredns --clusterrole=system:coredns --serviceaccount=${namespace}:${account}`,
      ],
      risk: 'lets the DNS server list Services, Pods and Namespaces of the whole cluster',
    },
    affects: dnsKeys,
  }
}

export const dnsUnsynced: Check = {
  id: 'D05',
  link: 'dns',
  title: 'DNS has not synced with the API',
  severity: 'error',
  confidence: 'proof',
  needs: ['dns-pods', 'dns-ready'],
  explains: ['D02', 'D16', 'E01', 'E02', 'X04'],
  page: {
    symptom: 'SERVFAIL for cluster names; names outside the cluster resolve.',
    decides:
      'A DNS Pod runs and its /ready page names the plugin kubernetes as not ready, or it answers SERVFAIL for the cluster’s own zone.',
    remedy:
      'The Pod cannot reach the API: look at its log, at the Service default/kubernetes, and at the rules of its node.',
    sources: ['coredns: plugin/kubernetes', 'coredns/coredns#3989'],
  },
  run(view) {
    const { ready, answers, logs, pods } = view.dns
    const waiting = [...ready].filter(
      ([pod, { code, body }]) =>
        code !== 200 &&
        (/\bkubernetes\b/.test(body) || /waiting on.*kubernetes/i.test(logs.get(pod) ?? '')),
    )
    const failing = answers.filter(
      ({ rcode, name }) => rcode === 'SERVFAIL' && name.endsWith(`.${view.clusterDomain}.`),
    )
    const name = waiting[0]?.[0] ?? failing[0]?.pod
    if (name === undefined) return []
    const body = waiting[0]?.[1].body.trim()
    return [
      {
        subject: { kind: 'Pod', namespace, name },
        message: `${name} serves unsynced: ${body ? `not ready: ${body}` : `SERVFAIL for ${failing[0]!.name}`}`,
        observed: body ?? 'SERVFAIL',
        expected: '/ready says OK',
        evidence: [
          {
            command: `kubectl get --raw /api/v1/namespaces/${namespace}/pods/${name}:8181/proxy/ready`,
            shows: body ?? 'OK',
          },
          {
            command: `kubectl -n ${namespace} logs ${name}`,
            shows: lastLine(logs.get(name)) || 'see what it waits for',
          },
        ],
        fix: {
          commands: [
            'kubectl -n default get service,endpointslices',
            `kubectl -n ${namespace} get configmap coredns -o jsonpath='{.data.Corefile}'`,
            `kubectl -n ${namespace} rollout restart deployment coredns`,
          ],
          risk: 'the restart drops what the servers have cached',
        },
        affects: dnsKeys,
        settling: settlingPods(
          view,
          pods.filter(({ metadata }) => metadata.name === name),
        ),
      },
    ]
  },
}

const lastLine = (log: string | undefined): string => (log ?? '').trim().split('\n').pop() ?? ''

export const dnsStale: Check = {
  id: 'D16',
  link: 'dns',
  title: 'A DNS replica does not know what the API says',
  severity: 'error',
  confidence: 'proof',
  needs: ['dns-pods', 'dns-answers'],
  explains: [],
  page: {
    symptom: 'One lookup in two fails, or a Service that exists does not resolve at all.',
    decides:
      'A replica, asked for a Service that the API has had for ten seconds, answers NXDOMAIN or another ClusterIP.',
    remedy: 'Restart that replica; then see D05.',
    sources: ['kubernetes/kubernetes#78128', 'coredns/coredns#2501'],
  },
  run(view) {
    const one = view.askedService
    const { clusterIP, type } = one?.service.spec ?? {}
    if (!one || type === 'ExternalName' || !clusterIP || clusterIP === 'None') return []
    const { namespace: space, name } = one.service.metadata
    const asked = `${name}.${space}.svc.${view.clusterDomain}.`
    const wrong = view.dns.answers.filter(
      (answer) =>
        answer.name === asked &&
        answer.rcode !== undefined &&
        answer.rcode !== 'SERVFAIL' &&
        !answer.addresses.includes(clusterIP),
    )
    if (wrong.length === 0) return []
    const first = wrong[0]!
    const said = first.addresses.length > 0 ? some(first.addresses) : first.rcode!
    return [
      {
        subject: serviceSubject(one.service),
        message: `replica ${some(wrong.map(({ pod }) => pod))} answers ${said} for ${asked}`,
        observed: said,
        expected: clusterIP,
        evidence: [
          {
            command: `kubectl -n ${namespace} port-forward pod/${first.pod} 5353:53 & dig @127.0.0.1 -p 5353 +tcp ${asked}`,
            shows: said,
          },
        ],
        fix: {
          commands: [`kubectl -n ${namespace} delete pod ${first.pod}`],
          risk: 'the Deployment starts another replica',
        },
        affects: ['dns', `service/${one.key}`],
        settling: one.settling,
      },
    ]
  },
}
