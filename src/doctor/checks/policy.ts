// C: do NetworkPolicy objects let clients ask the DNS?
import type { Pod } from '../../api/types/core.gen.ts'
import type { NetworkPolicy } from '../../api/types/networking.gen.ts'
import type { Check, Finding } from '../check.ts'
import { keyOfPod } from '../check.ts'
import { allowsEgress, egressPolicies } from '../egress.ts'
import { isFinished } from '../endpoints.ts'
import { effectivePolicy } from '../resolver.ts'
import type { View } from '../view.ts'
import { count, some } from '../words.ts'

const dnsPort = 53

export const policyBlocksDns: Check = {
  id: 'C01',
  link: 'policy',
  title: 'A NetworkPolicy keeps Pods from the cluster DNS',
  severity: 'error',
  confidence: 'likely',
  needs: ['networkpolicies', 'dns-pods'],
  explains: [],
  page: {
    symptom: 'Every lookup in some Pods times out; connections to addresses work.',
    decides:
      'Egress policies select the Pods, and no rule of any of them allows UDP 53 to a DNS Pod. Policies see the packet after the ClusterIP was replaced: they have to allow the Pods, at their port. It is likely, not proven: whether policies are enforced is the network plugin’s business.',
    remedy: 'Allow egress to the DNS Pods, UDP and TCP 53.',
    sources: ['kubernetes/website#55115', 'projectcalico/calico#3795'],
  },
  run(view) {
    if (view.networkPolicies.length === 0 || view.dns.pods.length === 0) return []
    const blocked = new Map<string, { policies: readonly NetworkPolicy[]; pods: Pod[] }>()
    for (const pod of candidates(view)) {
      const policies = egressPolicies(pod, view.networkPolicies)
      if (policies.length === 0 || reachesDns(policies, view)) continue
      const key = policies.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).join(' ')
      const group = blocked.get(key)
      if (group) group.pods.push(pod)
      else blocked.set(key, { policies, pods: [pod] })
    }
    return [...blocked.values()].map((one) => blockedBy(one.policies, one.pods))
  },
}

function candidates(view: View): readonly Pod[] {
  const { asked } = view
  const isScan = !asked.service && !asked.pod && asked.name === undefined && !asked.client
  const all = isScan ? view.pods : view.clients
  return all.filter((pod) => !isFinished(pod) && effectivePolicy(pod) === 'ClusterFirst')
}

function reachesDns(policies: readonly NetworkPolicy[], view: View): boolean {
  return view.dns.pods.some((pod) =>
    allowsEgress(policies, {
      pod,
      namespace: view.namespaces.find(({ metadata }) => metadata.name === pod.metadata.namespace),
      protocol: 'UDP',
      port: dnsPort,
    }),
  )
}

function blockedBy(policies: readonly NetworkPolicy[], pods: readonly Pod[]): Finding {
  const { namespace, name } = policies[0]!.metadata
  const names = policies.map(({ metadata }) => metadata.name)
  return {
    subject: { kind: 'NetworkPolicy', namespace, name },
    message: `${some(names)} ${names.length === 1 ? 'keeps' : 'keep'} ${count(pods.length, 'Pod')} from asking the DNS: no rule allows UDP ${dnsPort} to its Pods`,
    observed: `egress of ${some(pods.map(({ metadata }) => metadata.name))} is restricted by ${names.join(', ')}`,
    expected: 'a rule that allows UDP and TCP 53 to k8s-app=kube-dns in kube-system',
    evidence: [
      {
        command: `kubectl -n ${namespace} get networkpolicy ${name} -o yaml`,
        shows: JSON.stringify(policies[0]!.spec.egress ?? []),
      },
    ],
    fix: {
      commands: [allowDns(namespace ?? '')],
      risk: 'every Pod of the namespace may then ask the cluster DNS',
    },
    affects: pods.map(keyOfPod),
  }
}

function allowDns(namespace: string): string {
  const policy = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'allow-dns', namespace },
    spec: {
      podSelector: {},
      policyTypes: ['Egress'],
      egress: [
        {
          to: [
            {
              namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
              podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
            },
          ],
          ports: ['UDP', 'TCP'].map((protocol) => ({ protocol, port: dnsPort })),
        },
      ],
    },
  }
  return `echo '${JSON.stringify(policy)}' | kubectl apply -f -`
}
