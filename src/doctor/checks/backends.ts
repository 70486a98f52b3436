// P: does the Pod's port answer where the Service sends?
import type { Check, Finding } from '../check.ts'
import type { PodPort } from '../snapshot.ts'
import type { View } from '../view.ts'

export const loopbackOnly: Check = {
  id: 'P07',
  link: 'backends',
  title: 'The app listens on its loopback address only',
  severity: 'error',
  confidence: 'proof',
  needs: ['pod-ports'],
  explains: [],
  page: {
    symptom: 'Port-forward works, the Service and the Pod’s address refuse connections.',
    decides:
      'The port is refused at the Pod’s address (pods/proxy) and accepts connections from within (pods/portforward), for a Pod that is ready.',
    remedy: 'Bind 0.0.0.0 or ::, in Node.js server.listen(port), in Python --host 0.0.0.0.',
    sources: ['kubernetes/website#7281', 'kubernetes/kubernetes#72488'],
  },
  run: (view) =>
    view.podPorts
      .filter(({ byAddress, byLoopback }) => byAddress === 'refused' && byLoopback === 'open')
      .map((port) =>
        refused(port, view, {
          message: `${port.pod} listens on 127.0.0.1:${port.port} only; ${port.ip}:${port.port} is refused`,
          observed: `${port.ip}:${port.port} refused, 127.0.0.1:${port.port} open`,
          expected: `the app bound to 0.0.0.0:${port.port}`,
          within: 'answers: port-forward enters the Pod’s loopback',
          risk: 'looks only; then bind the app to all addresses and roll it out',
        }),
      ),
}

export const nobodyListens: Check = {
  id: 'P08',
  link: 'backends',
  title: 'Nobody listens on the target port',
  severity: 'error',
  confidence: 'proof',
  needs: ['pod-ports'],
  explains: [],
  page: {
    symptom: 'Connections to the Service are refused, its Pods are ready.',
    decides: 'The port is refused at the Pod’s address and from within the Pod alike.',
    remedy: 'Let targetPort name the port the app listens on.',
    sources: ['kubernetes.io: Debug Services, "Are the Pods working?"'],
  },
  run: (view) =>
    view.podPorts
      .filter(({ byAddress, byLoopback }) => byAddress === 'refused' && byLoopback === 'refused')
      .map((port) =>
        refused(port, view, {
          message: `nobody in ${port.pod} listens on port ${port.port}`,
          observed: `${port.ip}:${port.port} and 127.0.0.1:${port.port} refused`,
          expected: `a listener on port ${port.port}`,
          within: 'connection refused',
          risk: 'looks only; it shows the ports the Pod declares',
        }),
      ),
}

interface Words {
  readonly message: string
  readonly observed: string
  readonly expected: string
  readonly within: string
  readonly risk: string
}

function refused(
  { namespace, pod, port }: PodPort,
  view: View,
  { within, risk, ...words }: Words,
): Finding {
  const services = view.serviceViews.filter(({ matching }) =>
    matching.some(({ metadata }) => metadata.namespace === namespace && metadata.name === pod),
  )
  return {
    subject: { kind: 'Pod', namespace, name: pod },
    ...words,
    evidence: [
      {
        command: `kubectl get --raw /api/v1/namespaces/${namespace}/pods/${pod}:${port}/proxy/`,
        shows: 'connection refused',
      },
      { command: `kubectl -n ${namespace} port-forward pod/${pod} ${port}`, shows: within },
    ],
    fix: {
      commands: [
        `kubectl -n ${namespace} get pod ${pod} -o jsonpath='{.spec.containers[*].command} {.spec.containers[*].args} {.spec.containers[*].ports}'`,
      ],
      risk,
    },
    affects: [`pod/${namespace}/${pod}`, ...services.map(({ key }) => `service/${key}`)],
    settling: services[0]?.settling,
  }
}
