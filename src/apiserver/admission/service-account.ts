// A Pod runs as a ServiceAccount that exists, and gets its token, CA and image pull secrets.
import type { Draft } from '../../api/machinery/draft.ts'
import { pods, serviceaccounts } from '../../api/resources.gen.ts'
import type { Pod, ServiceAccount, Volume } from '../../api/types/core.gen.ts'
import { nameSuffix, type Random } from '../../lib/random.ts'
import { configMapNames, persistentVolumeClaimNames, secretNames } from '../rbac/pod-references.ts'
import { objectOf, oldOf, refuse } from './refuse.ts'
import type { AdmissionContext, AdmissionPlugin, AdmissionRequest, Outcome } from './request.ts'

const mirrorAnnotation = 'kubernetes.io/config.mirror'
const volumePrefix = 'kube-api-access-'
const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount'
/** An hour, and the seconds that mark the token as one that clients reload. */
const tokenSeconds = 60 * 60 + 7

/** A controller makes the default account of a Namespace; a Pod right behind it waits that long. */
const waitMs = 20
const maxWaits = 50

const isMirror = (pod: Pick<Pod, 'metadata'>): boolean =>
  pod.metadata.annotations?.[mirrorAnnotation] !== undefined

export const serviceAccount: AdmissionPlugin = {
  name: 'ServiceAccount',
  operations: ['CREATE', 'UPDATE'],
  resources: ['pods', 'pods/ephemeralcontainers'],
  admit(request, context) {
    if (request.operation !== 'CREATE' || request.subresource !== '') return undefined
    const pod = objectOf(request, pods)
    if (isMirror(pod)) return undefined
    const spec = pod.spec as Draft<NonNullable<Pod['spec']>>
    if (!spec.serviceAccountName) spec.serviceAccountName = 'default'
    // The older name of the field always says the same.
    spec.serviceAccount = spec.serviceAccountName
    const account = find(request, spec.serviceAccountName, context)
    return account instanceof Promise
      ? account.then((found) => equip(request, found, context.random))
      : equip(request, account, context.random)
  },
  validate(request, context) {
    const pod = objectOf(request, pods)
    if (request.operation === 'UPDATE') return checkEphemeral(request, pod, context)
    if (isMirror(pod)) return checkMirror(request, pod)
    const name = pod.spec?.serviceAccountName ?? ''
    if (name === '') return refuse(request, 'no service account specified for pod')
    const account = context.reader(serviceaccounts).get(`${request.namespace}/${name}`)
    if (account === undefined) return missing(request, name)
    return enforces(account) ? checkMountable(request, pod, account) : undefined
  },
}

type Found = ServiceAccount | undefined

function find(
  { namespace }: AdmissionRequest,
  name: string,
  { reader, clock }: AdmissionContext,
): Found | Promise<Found> {
  const get = () => reader(serviceaccounts).get(`${namespace}/${name}`)
  const found = get()
  if (found !== undefined || name !== 'default') return found
  const wait = async () => {
    for (let waited = 0; waited < maxWaits; waited += 1) {
      await clock.sleep(waitMs)
      const now = get()
      if (now !== undefined) return now
    }
    return undefined
  }
  return wait()
}

const missing = (request: AdmissionRequest, name: string): Outcome => {
  const cause = `serviceaccount ${JSON.stringify(name)} not found`
  return refuse(request, `error looking up service account ${request.namespace}/${name}: ${cause}`)
}

function equip(request: AdmissionRequest, account: Found, random: Random): Outcome {
  const spec = objectOf(request, pods).spec as Draft<NonNullable<Pod['spec']>>
  if (account === undefined) return missing(request, spec.serviceAccountName ?? '')
  const automount =
    spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true
  if (automount) mountToken(spec, random)
  if ((spec.imagePullSecrets ?? []).length === 0 && (account.imagePullSecrets ?? []).length > 0) {
    spec.imagePullSecrets = (account.imagePullSecrets ?? []).map(({ name }) => ({ name }))
  }
  return undefined
}

function mountToken(spec: Draft<NonNullable<Pod['spec']>>, random: Random): void {
  const volumes = spec.volumes ?? []
  const own = volumes.find(({ name }) => name.startsWith(volumePrefix))
  const name = own?.name ?? freshName(new Set(volumes.map((volume) => volume.name)), random)
  let isMounted = false
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) {
    const mounts = container.volumeMounts ?? []
    // A mount of one's own at this place keeps the token out.
    if (mounts.some((mount) => mount.mountPath === mountPath)) continue
    container.volumeMounts = [...mounts, { name, readOnly: true, mountPath }]
    isMounted = true
  }
  if (isMounted && own === undefined) spec.volumes = [...volumes, tokenVolume(name)]
}

function freshName(taken: ReadonlySet<string>, random: Random): string {
  for (;;) {
    const name = `${volumePrefix}${nameSuffix(random)}`
    if (!taken.has(name)) return name
  }
}

const tokenVolume = (name: string): Draft<Volume> => ({
  name,
  projected: {
    sources: [
      { serviceAccountToken: { expirationSeconds: tokenSeconds, path: 'token' } },
      { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
      {
        downwardAPI: {
          items: [
            { path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } },
          ],
        },
      },
    ],
    defaultMode: 420,
  },
})

/** Mirror Pods are made by nodes: they may not get at objects of the API through them. */
function checkMirror(request: AdmissionRequest, pod: Pod): Outcome {
  const references: [string, Iterable<string>][] = [
    ['service accounts', pod.spec?.serviceAccountName ? [pod.spec.serviceAccountName] : []],
    ['secrets', secretNames(pod)],
    ['configmaps', configMapNames(pod)],
    ['persistentvolumeclaims', persistentVolumeClaimNames(pod)],
  ]
  for (const [what, names] of references) {
    for (const _ of names) return refuse(request, `a mirror pod may not reference ${what}`)
  }
  return undefined
}

const enforces = (account: ServiceAccount): boolean =>
  account.metadata.annotations?.['kubernetes.io/enforce-mountable-secrets'] === 'true'

function checkMountable(request: AdmissionRequest, pod: Pod, account: ServiceAccount): Outcome {
  const mountable = new Set((account.secrets ?? []).map(({ name }) => name))
  const { name } = account.metadata
  for (const { secret } of pod.spec?.volumes ?? []) {
    if (secret?.secretName && !mountable.has(secret.secretName)) {
      return refuse(
        request,
        `volume with secret.secretName="${secret.secretName}" is not allowed because service account ${name} does not reference that secret`,
      )
    }
  }
  const pull = new Set((account.imagePullSecrets ?? []).map((secret) => secret.name))
  for (const [index, secret] of (pod.spec?.imagePullSecrets ?? []).entries()) {
    if (pull.has(secret.name)) continue
    return refuse(
      request,
      `imagePullSecrets[${index}].name="${secret.name}" is not allowed because service account ${name} does not reference that imagePullSecret`,
    )
  }
  return undefined
}

function checkEphemeral(
  request: AdmissionRequest,
  pod: Pod,
  { reader }: AdmissionContext,
): Outcome {
  if (request.subresource !== 'ephemeralcontainers') return undefined
  const name = oldOf(request, pods).spec?.serviceAccountName ?? ''
  const account = reader(serviceaccounts).get(`${request.namespace}/${name}`)
  if (account === undefined) return missing(request, name)
  return enforces(account) ? checkMountable(request, pod, account) : undefined
}
