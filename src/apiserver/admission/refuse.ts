// What plugins share: the 403 in Kubernetes' form, and a typed look at the objects of a request.
import type { Draft } from '../../api/machinery/draft.ts'
import type { KubeObject, Resource } from '../../api/machinery/resource.ts'
import { forbiddenError, type StatusError } from '../../api/machinery/status.ts'
import type { AdmissionRequest } from './request.ts'

/** `pods "web" is forbidden: <cause>` */
export function refuse(request: AdmissionRequest, cause: string): StatusError {
  const { metadata } = request.object ?? {}
  const name = request.name || metadata?.name || metadata?.generateName || ''
  return forbiddenError(request.resource, name, cause)
}

/** The new object as its type; the plugin's `resources` say that it is one. */
export const objectOf = <T extends KubeObject>(
  request: AdmissionRequest,
  _resource: Resource<T>,
): Draft<T> => request.object as unknown as Draft<T>

export const oldOf = <T extends KubeObject>(request: AdmissionRequest, _resource: Resource<T>): T =>
  request.old as unknown as T

export const qualifiedOf = ({ resource: { group, plural } }: AdmissionRequest): string =>
  group === '' ? plural : `${plural}.${group}`

/** "ns/name", or "name". */
export const keyOf = (namespace: string, name: string): string =>
  namespace === '' ? name : `${namespace}/${name}`

/** Go's %q. */
export const quote = (text: string): string => JSON.stringify(text)

/** utilerrors.NewAggregate: one as it is, several in brackets, repeats once. */
export function aggregate(messages: readonly string[]): string {
  const once = [...new Set(messages)]
  return once.length === 1 ? (once[0] as string) : `[${once.join(', ')}]`
}
