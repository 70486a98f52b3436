// N: the name as this client asks it: its namespace, its search list, its name servers.
import type { Pod } from '../../api/types/core.gen.ts'
import type { Check, Finding } from '../check.ts'
import { keyOfPod } from '../check.ts'
import { foreignSearches, wildcardProbe } from '../dns-names.ts'
import { candidateNames, effectivePolicy, predictResolver } from '../resolver.ts'
import type { View } from '../view.ts'
import { count, json, podSubject, some } from '../words.ts'

const nodeLocalAddress = '169.254.20.10'

export const shortName: Check = {
  id: 'N01',
  link: 'name',
  title: 'A short name means the client’s own namespace',
  severity: 'error',
  confidence: 'proof',
  needs: ['services'],
  explains: ['A02', 'A04'],
  page: {
    symptom: 'A name resolves in one namespace and is NXDOMAIN in another.',
    decides:
      'The client asks a name of one label; its search list makes it NAME.ITS-NAMESPACE.svc; the Service of that name is elsewhere.',
    remedy: 'Say NAME.NAMESPACE.',
    sources: ['kubernetes.io: DNS for Services and Pods, "Namespaces of Services"'],
  },
  run(view) {
    const { asked, askedService } = view
    const { client, name, service } = asked
    if (!client || !service || askedService || !name || name.includes('.')) return []
    const found = view.namesakes.filter(({ metadata }) => metadata.name === name)
    if (found.length === 0) return []
    const where = found.map(({ metadata }) => metadata.namespace!)
    return [
      {
        subject: { kind: 'Name', namespace: client.namespace, name },
        message: `from ${client.namespace}, "${name}" means ${name}.${client.namespace}; yours is ${some(where.map((one) => `${name}.${one}`))}`,
        observed: `${name}.${client.namespace}.svc.${view.clusterDomain} does not exist`,
        expected: where.map((one) => `${name}.${one}`).join(' or '),
        evidence: [
          {
            command: `kubectl get services -A --field-selector metadata.name=${name}`,
            shows: where.map((one) => `${one}/${name}`).join(', '),
          },
          {
            command: `kubectl -n ${client.namespace} exec ${client.name} -- nslookup ${name}`,
            shows: 'NXDOMAIN',
          },
        ],
        fix: {
          commands: [
            `kubectl -n ${client.namespace} exec ${client.name} -- nslookup ${name}.${where[0]}`,
          ],
          risk: `asks only; let the client say ${name}.${where[0]}`,
        },
        affects: [`service/${service.namespace}/${service.name}`, keyOfPod({ metadata: client })],
      },
    ]
  },
}

export const searchAmplification: Check = {
  id: 'N03',
  link: 'name',
  title: 'One lookup becomes many',
  severity: 'warn',
  confidence: 'proof',
  needs: [],
  explains: [],
  page: {
    symptom: 'The DNS servers are busy; lookups of names outside the cluster are slow.',
    decides:
      'The name has fewer dots than the client’s ndots, so the whole search list is tried before the name itself, for A and for AAAA.',
    remedy: 'Write the name with a trailing dot, or give the Pod `dnsConfig` with ndots:2.',
    sources: ['kubernetes/kubernetes#33554', 'kubernetes/kubernetes#14051'],
  },
  run(view) {
    const { external, name } = view.asked
    if (!external || name === undefined) return []
    return view.clients.flatMap((pod) => amplified(pod, name, view))
  },
}

function resolverOf(pod: Pod, view: View) {
  const kubelet = view.kubelets.get(pod.spec.nodeName ?? '')
  return predictResolver(pod, {
    clusterDNS: kubelet?.clusterDNS ?? view.dns.service?.spec.clusterIPs ?? [],
    clusterDomain: kubelet?.clusterDomain || view.clusterDomain,
  })
}

function amplified(pod: Pod, name: string, view: View): Finding[] {
  const resolver = resolverOf(pod, view)
  const candidates = candidateNames(name, resolver, 'glibc')
  const wasted = candidates.indexOf(`${name}.`)
  if (wasted <= 0) return []
  const { namespace, name: podName } = pod.metadata
  const rcodes = candidates.slice(0, wasted).map((candidate) => {
    const answer = view.dns.answers.find((one) => one.name === candidate)
    return `${candidate} ${answer?.rcode ?? 'not asked'}`
  })
  const owner = pod.metadata.ownerReferences?.[0]
  return [
    {
      subject: podSubject(pod),
      message: `one lookup of ${name} is ${(wasted + 1) * 2} queries, ${wasted * 2} of them in vain (ndots:${resolver.ndots}, ${count(resolver.searches.length, 'search suffix').replace(/xs$/, 'xes')})`,
      observed: rcodes.join('; '),
      expected: '2 queries: A and AAAA of the name itself',
      evidence: [
        {
          command: `kubectl -n ${namespace} exec ${podName} -- cat /etc/resolv.conf`,
          shows: `search ${resolver.searches.join(' ')}; options ${resolver.options.join(' ')}`,
        },
      ],
      fix: {
        commands:
          owner?.kind === 'ReplicaSet'
            ? [
                `kubectl -n ${namespace} patch deployment ${owner.name.replace(/-[^-]+$/, '')} -p ${json({ spec: { template: { spec: { dnsConfig: { options: [{ name: 'ndots', value: '2' }] } } } } })}`,
              ]
            : [`kubectl -n ${namespace} exec ${podName} -- nslookup ${name}.`],
        risk:
          owner?.kind === 'ReplicaSet'
            ? 'rolls the Pods; names like web.shop.svc (two dots) are then asked as they stand first'
            : 'asks only; write the name with a trailing dot',
      },
      affects: [keyOfPod(pod)],
    },
  ]
}

export const wildcardCapture: Check = {
  id: 'N05',
  link: 'name',
  title: 'A wildcard in a search domain answers for every name',
  severity: 'error',
  confidence: 'proof',
  needs: ['dns-answers'],
  explains: ['N03'],
  page: {
    symptom: 'Names outside the cluster resolve to one and the same wrong address.',
    decides:
      'The client’s search list has a domain that is not the cluster’s, and a name in it that nobody has is answered with an address.',
    remedy:
      'Take the domain out of the search list, write names with a trailing dot, or lower ndots.',
    sources: ['openshift/origin#17316', 'kubernetes/kubernetes#49113'],
  },
  run: (view) => view.clients.flatMap((pod) => captured(pod, view)),
}

function captured(pod: Pod, view: View): Finding[] {
  const { namespace, name } = pod.metadata
  return foreignSearches([pod], view.clusterDomain).flatMap((suffix) => {
    const probe = wildcardProbe(suffix)
    const answer = view.dns.answers.find((one) => one.name === probe && one.addresses.length > 0)
    if (!answer) return []
    return [
      {
        subject: podSubject(pod),
        message: `*.${suffix} is a wildcard: every name with few dots resolves to ${some(answer.addresses)}`,
        observed: `${probe} is ${some(answer.addresses)}`,
        expected: 'NXDOMAIN for a name that nobody has',
        evidence: [
          {
            command: `kubectl -n ${namespace} exec ${name} -- nslookup ${probe}`,
            shows: answer.addresses.join(', '),
          },
          {
            command: `kubectl -n ${namespace} get pod ${name} -o jsonpath='{.spec.dnsConfig}'`,
            shows: `search ${suffix}`,
          },
        ],
        fix: {
          commands: [`kubectl -n ${namespace} exec ${name} -- nslookup www.example.com.`],
          risk: `asks only, with a trailing dot; then take ${suffix} out of dnsConfig.searches or of the node's resolv.conf`,
        },
        affects: [keyOfPod(pod)],
      },
    ]
  })
}

export const otherNameserver: Check = {
  id: 'N06',
  link: 'name',
  title: 'The Pod asks a name server that is not the cluster DNS',
  severity: 'error',
  confidence: 'proof',
  needs: ['dns-pods', 'kubelet-config'],
  explains: [],
  page: {
    symptom: 'Every lookup in Pods of a node times out, while the DNS Pods are healthy.',
    decides:
      'The kubelet gives its Pods a clusterDNS address that the Service kube-dns does not have.',
    remedy: 'Give kube-dns that address, or the kubelet the right one, and make the Pods again.',
    sources: ['kubernetes.io: Debugging DNS Resolution'],
  },
  run(view) {
    const { service } = view.dns
    if (!service || view.asked.external) return []
    const own = new Set([...(service.spec.clusterIPs ?? []), service.spec.clusterIP ?? ''])
    return view.clients.flatMap((pod) => {
      const kubelet = view.kubelets.get(pod.spec.nodeName ?? '')
      if (!kubelet || effectivePolicy(pod) !== 'ClusterFirst') return []
      const asks = kubelet.clusterDNS
      if (asks.some((ip) => own.has(ip) || ip === nodeLocalAddress)) return []
      const { namespace, name } = pod.metadata
      return [
        {
          subject: podSubject(pod),
          message: `asks ${some(asks)}; the cluster DNS is at ${service.spec.clusterIP}`,
          observed: `nameserver ${asks.join(', ')}`,
          expected: `nameserver ${service.spec.clusterIP}`,
          evidence: [
            {
              command: `kubectl get --raw /api/v1/nodes/${pod.spec.nodeName}/proxy/configz`,
              shows: `"clusterDNS": ${JSON.stringify(asks)}`,
            },
            {
              command: `kubectl -n kube-system get service kube-dns -o jsonpath='{.spec.clusterIP}'`,
              shows: service.spec.clusterIP ?? '',
            },
            {
              command: `kubectl -n ${namespace} exec ${name} -- cat /etc/resolv.conf`,
              shows: `nameserver ${asks.join(', ')}`,
            },
          ],
          fix: {
            commands: [
              `kubectl -n kube-system get service kube-dns -o json | jq '.spec.clusterIP="${asks[0]}" | .spec.clusterIPs=["${asks[0]}"]' | kubectl replace --force -f -`,
            ],
            risk: 'makes the DNS Service anew at the address the Pods ask; lookups fail meanwhile',
          },
          affects: [keyOfPod(pod), 'dns'],
        },
      ]
    })
  },
}

export const notClusterFirst: Check = {
  id: 'N07',
  link: 'name',
  title: 'The Pod’s DNS policy leaves the cluster DNS out',
  severity: 'error',
  confidence: 'proof',
  needs: [],
  explains: [],
  page: {
    symptom: 'Names of Services are NXDOMAIN in one Pod; names outside the cluster resolve.',
    decides:
      'dnsPolicy is Default, or None without the cluster’s name server, or ClusterFirst on a Pod in the node’s network (which then acts as Default).',
    remedy: 'dnsPolicy ClusterFirst; in the node’s network ClusterFirstWithHostNet.',
    sources: ['kubernetes.io: DNS for Services and Pods, "Pod’s DNS Policy"'],
  },
  run(view) {
    if (view.asked.external) return []
    const servers = new Set(view.dns.service?.spec.clusterIPs ?? [])
    return view.clients.flatMap((pod) => {
      const policy = effectivePolicy(pod)
      const isDnsPod = pod.metadata.labels?.['k8s-app'] === 'kube-dns'
      if (policy === 'ClusterFirst' || isDnsPod) return []
      const own = pod.spec.dnsConfig?.nameservers ?? []
      if (own.some((ip) => servers.has(ip) || ip === nodeLocalAddress)) return []
      return [leftOut(pod, own)]
    })
  },
}

function leftOut(pod: Pod, own: readonly string[]): Finding {
  const { namespace, name } = pod.metadata
  const { dnsPolicy = 'ClusterFirst', hostNetwork } = pod.spec
  const wanted = hostNetwork ? 'ClusterFirstWithHostNet' : 'ClusterFirst'
  const asks = own.length > 0 ? some(own) : "the node's name servers"
  const owner = pod.metadata.ownerReferences?.[0]
  const deployment = owner?.kind === 'ReplicaSet' ? owner.name.replace(/-[^-]+$/, '') : undefined
  return {
    subject: podSubject(pod),
    message: hostNetwork
      ? `a Pod in the node's network with dnsPolicy ${dnsPolicy} asks ${asks}, which know no Services`
      : `dnsPolicy ${dnsPolicy}: asks ${asks}, which know no Services`,
    observed: `dnsPolicy ${dnsPolicy}${hostNetwork ? ', hostNetwork true' : ''}${own.length > 0 ? `, nameservers ${own.join(', ')}` : ''}`,
    expected: `dnsPolicy ${wanted}`,
    evidence: [
      {
        command: `kubectl -n ${namespace} get pod ${name} -o jsonpath='{.spec.dnsPolicy} {.spec.hostNetwork} {.spec.dnsConfig}'`,
        shows:
          `${dnsPolicy} ${hostNetwork ?? ''} ${pod.spec.dnsConfig ? JSON.stringify(pod.spec.dnsConfig) : ''}`.trimEnd(),
      },
    ],
    fix: {
      commands: deployment
        ? [
            `kubectl -n ${namespace} patch deployment ${deployment} -p ${json({ spec: { template: { spec: { dnsPolicy: wanted } } } })}`,
          ]
        : [
            `kubectl -n ${namespace} get pod ${name} -o json | jq '.spec.dnsPolicy="${wanted}"' | kubectl replace --force -f -`,
          ],
      risk: 'the Pod is made anew',
    },
    affects: [keyOfPod(pod)],
  }
}
