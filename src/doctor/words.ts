// Small phrases that several checks use, so that the same thing is always said in the same words.
import type { Pod, Service } from '../api/types/core.gen.ts'
import type { Subject } from './check.ts'

export const serviceSubject = ({ metadata }: Service): Subject => ({
  kind: 'Service',
  namespace: metadata.namespace,
  name: metadata.name,
})

export const podSubject = ({ metadata }: Pod): Subject => ({
  kind: 'Pod',
  namespace: metadata.namespace,
  name: metadata.name,
})

/** "app=web,tier=front" */
export const labelsText = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',')

export const count = (number: number, noun: string): string =>
  `${number} ${noun}${number === 1 ? '' : 's'}`

/** "a, b and 3 more" */
export function some(names: readonly string[], limit = 3): string {
  const shown = names.slice(0, limit).join(', ')
  return names.length > limit ? `${shown} and ${names.length - limit} more` : shown
}

/** "80/TCP (http → 8080)" */
export function portText({ name, port, protocol, targetPort }: ServicePort): string {
  const label = [name, targetPort !== undefined && targetPort !== port ? `→ ${targetPort}` : '']
    .filter(Boolean)
    .join(' ')
  return `${port}/${protocol ?? 'TCP'}${label === '' ? '' : ` (${label})`}`
}

type ServicePort = NonNullable<Service['spec']['ports']>[number]

/** For a shell: quoted where it has to be. */
export const json = (value: unknown): string => `'${JSON.stringify(value)}'`

/** "shop/web" */
export const keyText = ({ namespace, name }: { namespace?: string; name: string }): string =>
  namespace === undefined ? name : `${namespace}/${name}`
