// The environment of a container: service variables, then envFrom, then env, later ones winning.
import type { ConfigMap, Container, EnvVar, Pod, Secret, Service } from '../api/types/core.gen.ts'
import { fieldValue, type PodFacts, resourceValue } from './downward.ts'
import { expand } from './expand.ts'

export interface EnvSources {
  /** Services of the Pod's namespace, and default/kubernetes. */
  readonly services: readonly Service[]
  configMap(name: string): ConfigMap | undefined
  secret(name: string): Secret | undefined
  readonly facts: PodFacts
}

export type Env = Readonly<Record<string, string>>

export type EnvResult =
  | { readonly env: Env }
  /** For the waiting reason CreateContainerConfigError. */
  | { readonly error: string }

export function buildEnv(pod: Pod, container: Container, sources: EnvSources): EnvResult {
  const builder = new Builder(pod, container, sources)
  try {
    return { env: builder.build() }
  } catch (error) {
    if (error instanceof EnvError) return { error: error.message }
    throw error
  }
}

/** Only carries a message out of the nesting below. */
class EnvError extends Error {}

class Builder {
  readonly #pod: Pod
  readonly #container: Container
  readonly #sources: EnvSources
  readonly #env: Record<string, string>

  constructor(pod: Pod, container: Container, sources: EnvSources) {
    this.#pod = pod
    this.#container = container
    this.#sources = sources
    this.#env = serviceEnv(pod, sources.services)
  }

  build(): Env {
    for (const from of this.#container.envFrom ?? []) {
      const prefix = from.prefix ?? ''
      const { configMapRef: config, secretRef: secret } = from
      if (config?.name) this.#addAll(prefix, this.#configMap(config.name, config.optional)?.data)
      if (secret?.name) {
        const data = this.#secret(secret.name, secret.optional)?.data ?? {}
        this.#addAll(
          prefix,
          Object.fromEntries(Object.entries(data).map(([key, text]) => [key, fromBase64(text)])),
        )
      }
    }
    for (const variable of this.#container.env ?? []) {
      const value = this.#valueOf(variable)
      if (value !== undefined) this.#env[variable.name] = value
    }
    return this.#env
  }

  #addAll(prefix: string, data: Readonly<Record<string, string>> | undefined): void {
    for (const [key, value] of Object.entries(data ?? {})) this.#env[prefix + key] = value
  }

  #valueOf(variable: EnvVar): string | undefined {
    const from = variable.valueFrom
    // What stands above and what the services and envFrom gave can be named; nothing below.
    if (!from) return expand(variable.value ?? '', (name) => this.#env[name])
    const { facts } = this.#sources
    if (from.fieldRef) return fieldValue(from.fieldRef.fieldPath, this.#pod, facts) ?? ''
    if (from.resourceFieldRef) return this.#resource(from.resourceFieldRef)
    if (from.configMapKeyRef) {
      const { name = '', key, optional } = from.configMapKeyRef
      const value = this.#configMap(name, optional)?.data?.[key]
      return (
        value ?? this.#missing(optional, key, `ConfigMap ${this.#pod.metadata.namespace}/${name}`)
      )
    }
    if (from.secretKeyRef) {
      const { name = '', key, optional } = from.secretKeyRef
      const data = this.#secret(name, optional)?.data?.[key]
      const value = data === undefined ? undefined : fromBase64(data)
      return value ?? this.#missing(optional, key, `Secret ${this.#pod.metadata.namespace}/${name}`)
    }
    return undefined
  }

  #resource(selector: Parameters<typeof resourceValue>[0]): string | undefined {
    const all = [...(this.#pod.spec.initContainers ?? []), ...this.#pod.spec.containers]
    const named = all.find(({ name }) => name === selector.containerName)
    return resourceValue(selector, named ?? this.#container, this.#sources.facts)
  }

  #missing(optional: boolean | undefined, key: string, where: string): undefined {
    if (!optional) throw new EnvError(`couldn't find key ${key} in ${where}`)
    return undefined
  }

  #configMap(name: string, optional: boolean | undefined): ConfigMap | undefined {
    const found = this.#sources.configMap(name)
    if (!found && !optional) throw new EnvError(`configmap "${name}" not found`)
    return found
  }

  #secret(name: string, optional: boolean | undefined): Secret | undefined {
    const found = this.#sources.secret(name)
    if (!found && !optional) throw new EnvError(`secret "${name}" not found`)
    return found
  }
}

function fromBase64(text: string): string {
  return Buffer.from(text, 'base64').toString('utf8')
}

/** Docker's link variables, for every Service with an address that a Pod may see. */
export function serviceEnv(pod: Pod, services: readonly Service[]): Record<string, string> {
  const env: Record<string, string> = {}
  const links = pod.spec.enableServiceLinks !== false
  for (const service of services) {
    const { namespace, name } = service.metadata
    const isApi = namespace === 'default' && name === 'kubernetes'
    if (!isApi && !(links && namespace === pod.metadata.namespace)) continue
    // Of two Services named kubernetes the API's own is meant.
    if (!isApi && name === 'kubernetes') continue
    Object.assign(env, variablesOf(service))
  }
  return env
}

function variablesOf(service: Service): Record<string, string> {
  const { clusterIP, ports = [] } = service.spec ?? {}
  if (!clusterIP || clusterIP === 'None' || ports.length === 0) return {}
  const prefix = envName(service.metadata.name)
  const host = clusterIP.includes(':') ? `[${clusterIP}]` : clusterIP
  const env: Record<string, string> = {
    [`${prefix}_SERVICE_HOST`]: clusterIP,
    [`${prefix}_SERVICE_PORT`]: String(ports[0]!.port),
  }
  for (const port of ports) {
    if (port.name) env[`${prefix}_SERVICE_PORT_${envName(port.name)}`] = String(port.port)
  }
  for (const [index, port] of ports.entries()) {
    const protocol = port.protocol ?? 'TCP'
    const url = `${protocol.toLowerCase()}://${host}:${port.port}`
    const portPrefix = `${prefix}_PORT_${port.port}_${protocol}`
    if (index === 0) env[`${prefix}_PORT`] = url
    env[portPrefix] = url
    env[`${portPrefix}_PROTO`] = protocol.toLowerCase()
    env[`${portPrefix}_PORT`] = String(port.port)
    env[`${portPrefix}_ADDR`] = clusterIP
  }
  return env
}

function envName(name: string): string {
  return name.toUpperCase().replaceAll('-', '_')
}
