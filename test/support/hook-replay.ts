// Plays recorded API scripts against the hooks of the kinds alone: decode, defaults, prepare, claim,
// validate, encode. No HTTP, no store, no admission; steps that need those are left out and counted.
import { readFileSync } from 'node:fs'
import { findKindByResource } from '../../src/api/kinds.ts'
import type { ClaimResult, Claims } from '../../src/api/machinery/claims.ts'
import type { Draft } from '../../src/api/machinery/draft.ts'
import { draftOf } from '../../src/api/machinery/draft.ts'
import type { FieldError } from '../../src/api/machinery/field-error.ts'
import type { HookContext, IPFamily, Kind } from '../../src/api/machinery/kind.ts'
import { validateObjectMeta } from '../../src/api/machinery/object-meta.ts'
import type { KubeObject } from '../../src/api/machinery/resource.ts'
import {
  prepareCreate,
  prepareUpdate,
  validateCreate,
  validateUpdate,
  warningsOf,
} from '../../src/api/machinery/strategy.ts'
import { applyMergePatch } from '../../src/api/patch/merge-patch.ts'
import { applyStrategicPatch } from '../../src/api/patch/strategic.ts'
import { decodeValue } from '../../src/api/schema/decode.ts'
import { wireValue } from '../../src/api/schema/encode.ts'
import type { Pod } from '../../src/api/types/core.gen.ts'
import { cidrAddress, cidrContains, parseCidr, parseIp } from '../../src/lib/ip.ts'
import { seededRandom } from '../../src/lib/random.ts'
import { type Bindings, differences, matchText, substitute } from './golden-match.ts'

interface Step {
  readonly name?: string
  readonly request?: {
    readonly method: string
    readonly path: string
    readonly query?: Readonly<Record<string, string>>
    readonly headers?: Readonly<Record<string, string | null>>
    readonly body?: unknown
  }
  readonly expect?: {
    readonly code: number
    readonly headers?: Readonly<Record<string, unknown>>
    readonly body?: Readonly<Record<string, unknown>>
  }
}

interface Script {
  readonly profile: string
  readonly setup?: readonly Step[]
  readonly steps: readonly Step[]
}

export interface Report {
  readonly played: number
  readonly skipped: readonly string[]
  readonly failures: readonly string[]
}

const root = new URL('../golden/', import.meta.url)
const readScript = (name: string): Script =>
  JSON.parse(readFileSync(new URL(`cases/${name}.json`, root), 'utf8')) as Script

/** A small book of claims: what apiserver/claims.ts keeps in the store. */
function createClaims(families: readonly IPFamily[]): Claims {
  const blocks = { IPv4: parseCidr('10.96.0.0/16')!, IPv6: parseCidr('fd00:10:96::/112')! }
  const addresses = new Set<bigint>([parseIp('10.96.0.1')!.value])
  const ports = new Set<number>()
  let next = 1000n
  const take = <Value>(book: Set<unknown>, key: unknown, value: Value): ClaimResult<Value> => {
    book.add(key)
    return { ok: true, value }
  }
  return {
    takeClusterIP(family, wanted) {
      if (!families.includes(family)) throw new Error(`no range of ${family}`)
      const block = blocks[family]
      if (wanted === undefined) {
        while (addresses.has(block.base + next)) next++
        const address = cidrAddress(block, next++)
        const text =
          family === 'IPv4'
            ? `10.96.${(address.value >> 8n) & 255n}.${address.value & 255n}`
            : `fd00:10:96::${(address.value - block.base).toString(16)}`
        return take(addresses, address.value, text)
      }
      const ip = parseIp(wanted)!
      if (!cidrContains(block, ip) || ip.value === block.base) {
        const message = 'the provided network does not match the current range'
        return { ok: false, reason: 'out-of-range', message }
      }
      if (addresses.has(ip.value)) {
        return { ok: false, reason: 'taken', message: 'provided IP is already allocated' }
      }
      return take(addresses, ip.value, wanted)
    },
    releaseClusterIP: (address) => void addresses.delete(parseIp(address)!.value),
    takeNodePort(wanted) {
      if (wanted === undefined) {
        let port = 30100
        while (ports.has(port)) port++
        return take(ports, port, port)
      }
      if (wanted < 30000 || wanted > 32767) {
        const message =
          'provided port is not in the valid range. The range of valid ports is 30000-32767'
        return { ok: false, reason: 'out-of-range', message }
      }
      if (ports.has(wanted)) {
        return { ok: false, reason: 'taken', message: 'provided port is already allocated' }
      }
      return take(ports, wanted, wanted)
    },
    releaseNodePort: (port) => void ports.delete(port),
  }
}

interface Target {
  readonly kind: Kind
  readonly namespace: string
  readonly name: string
  readonly subresource: string
}

function targetOf(path: string): Target | undefined {
  const parts = path.split('/').filter((part) => part !== '')
  const [group, version, rest] =
    parts[0] === 'api' ? ['', parts[1]!, parts.slice(2)] : [parts[1]!, parts[2]!, parts.slice(3)]
  const namespaced = rest[0] === 'namespaces' && rest.length > 2
  const namespace = namespaced ? rest[1]! : ''
  const [plural = '', name = '', subresource = ''] = namespaced ? rest.slice(2) : rest
  const kind = findKindByResource(group, version ?? '', plural)
  return kind && { kind, namespace, name, subresource }
}

/** The kind whose hooks run: of a view, the one it is a view of. */
function storedKind(kind: Kind): Kind {
  if (!kind.view) return kind
  const { group, version, plural } = kind.view.of
  return findKindByResource(group, version, plural)!
}

type Outcome =
  | { readonly object: KubeObject; readonly warnings: readonly string[] }
  | readonly FieldError[]

/** Plays one script; `profile` says which address families the cluster has. */
export function replayHooks(name: string): Report {
  const script = readScript(name)
  const player = createPlayer(script.profile === 'dual' ? ['IPv4', 'IPv6'] : ['IPv4'])
  const skipped: string[] = []
  const failures: string[] = []
  let played = 0
  for (const step of script.steps) {
    const result = player.play(step)
    if (result === undefined) skipped.push(step.name ?? '')
    else {
      played++
      failures.push(...result.map((line) => `${name} / ${step.name}: ${line}`))
    }
  }
  return { played, skipped, failures }
}

function createPlayer(families: readonly IPFamily[]) {
  const bindings: Bindings = { ns: 'test-ns' }
  const stored = new Map<string, KubeObject>()
  const claims = createClaims(families)
  const undo: (() => void)[] = []
  const context = (target: Target): HookContext => ({
    clock: { now: () => Date.UTC(2026, 0, 1) },
    random: seededRandom(1),
    facts: { serviceFamilies: families, nodePortRange: { from: 30000, to: 32767 } },
    subresource: target.subresource,
    dryRun: false,
    requestVersion: '',
    user: { username: 'admin' },
  })

  function write(target: Target, sent: unknown, old: KubeObject | undefined): Outcome {
    const decoded = decodeValue<Draft<KubeObject>>(target.kind.resource.struct, sent)
    if (!decoded.ok) throw new Error(decoded.message)
    const hooks = context(target)
    target.kind.defaults?.(decoded.value)
    const kind = storedKind(target.kind)
    const object = target.kind.view
      ? draftOf(target.kind.view.toStored(decoded.value as KubeObject))
      : decoded.value
    if (old) prepareUpdate(kind, object, old, hooks)
    else {
      delete object.metadata.deletionTimestamp
      delete object.metadata.selfLink
      object.metadata.name ||= `${object.metadata.generateName}x2vw5`
      object.metadata.uid = '00000000-0000-4000-8000-000000000001'
      object.metadata.namespace = target.namespace
      prepareCreate(kind, object, hooks)
    }
    if (kind.claim && target.subresource === '') {
      const outcome = kind.claim(object, old, recorded(), hooks)
      if ('serverError' in outcome) throw new Error(outcome.serverError)
      if (outcome.length > 0) return outcome
    }
    const written = object as KubeObject
    const meta = old
      ? []
      : validateObjectMeta(written.metadata, {
          namespaced: kind.resource.namespaced,
          validateName: kind.validateName,
        })
    const errors = old
      ? validateUpdate(kind, { object: written, old }, hooks)
      : validateCreate(kind, written, hooks)
    if (meta.length + errors.length > 0) return [...meta, ...errors]
    kind.canonicalize?.(object)
    return { object: written, warnings: warningsOf(kind, { object: written, old }, hooks) }
  }

  /** Claims that can be taken back when the write fails. */
  function recorded(): Claims {
    undo.length = 0
    return {
      takeClusterIP(family, wanted) {
        const taken = claims.takeClusterIP(family, wanted)
        if (taken.ok) undo.push(() => claims.releaseClusterIP(taken.value))
        return taken
      },
      releaseClusterIP(address) {
        claims.releaseClusterIP(address)
        const family = address.includes(':') ? 'IPv6' : 'IPv4'
        undo.push(() => void claims.takeClusterIP(family, address))
      },
      takeNodePort(wanted) {
        const taken = claims.takeNodePort(wanted)
        if (taken.ok) undo.push(() => claims.releaseNodePort(taken.value))
        return taken
      },
      releaseNodePort(port) {
        claims.releaseNodePort(port)
        undo.push(() => void claims.takeNodePort(port))
      },
    }
  }

  function play(step: Step): readonly string[] | undefined {
    const { request, expect } = step
    if (!request || !expect || request.path.includes('?')) return undefined
    const target = targetOf(String(substitute(request.path, bindings)))
    if (!target || (expect.code !== 422 && expect.code >= 300)) return undefined
    const body = substitute(request.body, bindings) as Record<string, unknown> | undefined
    const metadata = body?.metadata as { name?: string; generateName?: string } | undefined
    const name = target.name || metadata?.name || ''
    const key = `${target.kind.resource.plural}/${name}`
    const old = stored.get(key)
    if (request.method === 'DELETE' && old && expect.code < 300 && !target.subresource) {
      if (target.kind.claim) target.kind.claim(undefined, old, claims, context(target))
      stored.delete(key)
      if (target.kind.resource.kind === 'IPAddress') claims.releaseClusterIP(name)
      return undefined
    }
    if (request.method === 'GET' && old && target.name && /^(status)?$/.test(target.subresource)) {
      return compareObject(target, old, {
        expect,
        warnings: warningsOf(target.kind, { object: old, old }, context(target)),
      })
    }
    const shown = old && target.kind.view ? target.kind.view.fromStored(old) : old
    const sent = bodyOf(request.method, request.headers?.['Content-Type'], {
      target,
      body,
      old: shown,
    })
    if (sent === undefined || (request.method !== 'POST' && !old && request.method !== 'PUT')) {
      return undefined
    }
    if (request.method === 'POST' && target.subresource) {
      if (target.subresource === 'binding' && expect.code === 201) bind(key)
      // An eviction changes more than hooks can know.
      else if (target.subresource === 'eviction' && expect.code === 201) stored.clear()
      return undefined
    }
    if (JSON.stringify(expect.body ?? '').includes('kube-api-access')) return undefined
    if (metadata && 'uid' in metadata && request.method === 'PATCH') return undefined
    const outcome = write(target, sent, old && request.method !== 'POST' ? old : undefined)
    const failed = Array.isArray(outcome)
    const dry = request.query?.dryRun !== undefined
    if (failed || dry) for (const revert of undo.splice(0).reverse()) revert()
    if (failed) return compareErrors(outcome as readonly FieldError[], expect)
    const { object, warnings } = outcome as { object: KubeObject; warnings: readonly string[] }
    // As read from a store: what is always written is there, empty lists are null.
    const { struct } = storedKind(target.kind).resource
    if (!dry)
      stored.set(key, wireValue(struct, object, { nullLists: true }) as unknown as KubeObject)
    if (target.kind.resource.kind === 'IPAddress') claimByHand(object.metadata.name)
    return compareObject(target, object, { expect, warnings })
  }

  /** What pods/binding does to the stored Pod. */
  function bind(key: string): void {
    const pod = draftOf(stored.get(key)) as unknown as Draft<Pod>
    pod.spec.nodeName = 'n1'
    pod.status = {
      ...pod.status,
      conditions: [
        { type: 'PodScheduled', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' },
      ],
    }
    stored.set(key, pod as Pod)
  }

  /** An IPAddress that a user makes takes its address from Services. */
  function claimByHand(address: string): void {
    claims.takeClusterIP(address.includes(':') ? 'IPv6' : 'IPv4', address)
  }

  function compareErrors(
    errors: readonly FieldError[],
    expect: NonNullable<Step['expect']>,
  ): readonly string[] {
    const texts = errors.map(({ field, type, message }) => `${field} ${type} ${message}`).sort()
    if (expect.code !== 422) return [`refused: ${texts.join(' | ')}`]
    const details = expect.body?.details as { causes?: readonly Record<string, string>[] }
    const wanted = (details.causes ?? []).map(
      ({ field, reason, message }) => `${field} ${reason} ${message}`,
    )
    const missing = wanted.filter(
      (text) =>
        !texts.some((actual) => differences(text, actual, { bindings, path: '' }).length === 0),
    )
    const bound = wanted.map((text) => String(substitute(text, bindings)))
    const surplus = texts.filter(
      (text) =>
        !bound.includes(text) &&
        !wanted.some((want) => differences(want, text, { bindings, path: '' }).length === 0),
    )
    return [
      ...missing.map((text) => `missing error: ${text}`),
      ...surplus.map((text) => `surplus error: ${text}`),
    ]
  }

  function compareObject(
    target: Target,
    object: KubeObject,
    answer: { readonly expect: NonNullable<Step['expect']>; readonly warnings: readonly string[] },
  ): readonly string[] {
    const { expect, warnings } = answer
    if (expect.code === 422) return [`accepted, want ${JSON.stringify(expect.body?.message)}`]
    const { kind } = target
    const seen = kind.view ? kind.view.fromStored(object) : object
    const uid = (expect.body?.metadata as { uid?: string } | undefined)?.uid
    if (uid !== undefined) matchText(uid, object.metadata.uid, bindings)
    const actual = comparable(target, wireValue(kind.resource.struct, seen, { nullLists: true }))
    const wanted = comparable(target, expect.body ?? {})
    const header = expect.headers?.warning ?? expect.headers?.Warning ?? []
    const recordedWarnings = [header].flat().map(String)
    const wantedWarnings = recordedWarnings
      .map((text) => text.replace(/^299 - "(.*)"$/s, '$1').replaceAll('\\"', '"'))
      .filter((text) => !text.startsWith('unknown field'))
    return [
      ...differences(wanted, actual, { bindings, path: '' }),
      ...differences([...wantedWarnings].sort(), [...warnings].sort(), {
        bindings,
        path: 'warnings',
      }),
    ]
  }
  return { play }
}

/** The object a request means: itself, or what its patch makes of the stored one. */
function bodyOf(
  method: string,
  contentType: string | null | undefined,
  { target, body, old }: { target: Target; body: unknown; old: KubeObject | undefined },
): unknown {
  if (method === 'POST' || method === 'PUT') return body
  if (method !== 'PATCH' || !old || !body || Array.isArray(body)) return undefined
  const { struct } = target.kind.resource
  const document = draftOf(old) as never
  const patched =
    contentType === 'application/merge-patch+json'
      ? applyMergePatch(document, body)
      : contentType === 'application/strategic-merge-patch+json'
        ? applyStrategicPatch(document, body, struct)
        : undefined
  return patched?.ok ? patched.object : undefined
}

const admitted = [
  'serviceAccountName',
  'serviceAccount',
  'tolerations',
  'priority',
  'preemptionPolicy',
]

/** Without what the registry and admission add. */
function comparable(target: Target, object: unknown): unknown {
  const copy = draftOf(object) as Record<string, Record<string, unknown> | undefined>
  const metadata = copy.metadata ?? {}
  for (const field of [
    'uid',
    'resourceVersion',
    'creationTimestamp',
    'managedFields',
    'namespace',
    'name',
    'generateName',
    'finalizers',
    'ownerReferences',
  ]) {
    delete metadata[field]
  }
  delete (copy as Record<string, unknown>).apiVersion
  delete (copy as Record<string, unknown>).kind
  if (target.kind.resource.kind === 'Pod') for (const field of admitted) delete copy.spec?.[field]
  return copy
}
