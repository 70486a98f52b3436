// Publishes the API server's certificate authority in every Namespace, for Pods to trust.
import { configmaps, namespaces } from '../api/resources.gen.ts'
import type { ConfigMap } from '../api/types/core.gen.ts'
import type { Controller } from '../client/controller.ts'
import { watching } from '../client/controller.ts'
import { semanticEqual } from '../lib/equal.ts'
import { isActive } from './serviceaccount.ts'

const name = 'kube-root-ca.crt'
const descriptionAnnotation = 'kubernetes.io/description'
const description =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.'

/** `rootCA` is PEM. */
export function rootCAPublisher(options: { readonly rootCA: string }): Controller {
  const data = { 'ca.crt': options.rootCA }
  return {
    name: 'root-ca-cert-publisher',
    component: 'root-ca-cert-publisher',
    watches: [
      watching({ resource: namespaces }),
      watching({
        resource: configmaps,
        keys: ({ metadata }) =>
          metadata.namespace && metadata.name === name ? [metadata.namespace] : [],
      }),
    ],
    reconcile(key, snapshot) {
      const namespace = snapshot.of(namespaces).get(key)
      if (!namespace || !isActive(namespace)) return { changes: [] }
      const current = snapshot.of(configmaps).get(`${key}/${name}`)
      if (current && isPublished(current, data)) return { changes: [] }
      const object: ConfigMap = {
        ...current,
        metadata: {
          ...current?.metadata,
          namespace: key,
          name,
          annotations: { ...current?.metadata.annotations, [descriptionAnnotation]: description },
        },
        data,
      }
      return { changes: [{ type: current ? 'update' : 'create', resource: configmaps, object }] }
    },
  }
}

const isPublished = (current: ConfigMap, data: Readonly<Record<string, string>>): boolean =>
  semanticEqual(current.data, data) &&
  current.metadata.annotations?.[descriptionAnnotation] === description
