import { describe, expect, it } from 'vitest'
import type { KubeObject } from '../machinery/resource.ts'
import { configmaps, leases, services } from '../resources.gen.ts'
import type { JSONSchemaProps } from '../types/apiextensions.gen.ts'
import { apply } from './apply.ts'
import type { JsonObject } from './atom.ts'
import { compare, isSame } from './compare.ts'
import { managerOf, validateManager } from './manager.ts'
import { merge } from './merge.ts'
import type { Tracking } from './ownership.ts'
import { resetFieldsOf } from './reset-fields.ts'
import { managedFieldsOfParent, managedFieldsOfScale } from './scale.ts'
import { atomOfCustom } from './schema-atoms.ts'
import { atomOfStruct, emptyOfStruct } from './table-atoms.ts'
import { isNoChange, trackUpdate } from './update.ts'

const minute = 60_000

function tracking(manager: string, nowMs = 0, resource = configmaps, subresource = ''): Tracking {
  return {
    atom: atomOfStruct(resource.struct),
    empty: emptyOfStruct(resource.struct),
    group: resource.group,
    version: resource.version,
    kind: resource.kind,
    manager,
    subresource,
    reset: resetFieldsOf(resource, subresource),
    nowMs,
  }
}

type ConfigMapLike = KubeObject & { data?: Record<string, string> }
const config = (data: Record<string, string>, metadata: object = {}): ConfigMapLike =>
  ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'a', uid: 'u', ...metadata },
    data,
  }) as ConfigMapLike

/** `next` as it is stored after a write by this manager. */
function write(live: ConfigMapLike | undefined, next: ConfigMapLike, by: Tracking): ConfigMapLike {
  const managedFields = trackUpdate(live, next, by)
  const { managedFields: _, ...metadata } = next.metadata
  return { ...next, metadata: { ...metadata, ...(managedFields ? { managedFields } : {}) } }
}

const owners = ({ metadata }: KubeObject) =>
  (metadata.managedFields ?? []).map(({ manager, operation, time, fieldsV1 }) => ({
    manager,
    operation,
    time,
    fieldsV1,
  }))

function applied(
  live: KubeObject | undefined,
  data: object,
  by: Tracking,
  force = false,
): ConfigMapLike {
  const outcome = apply(
    live,
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, ...data },
    { force, tracking: by },
  )
  if (!outcome.ok) throw outcome.error
  return outcome.object as unknown as ConfigMapLike
}

describe('trackUpdate()', () => {
  it('gives changed fields to who changed them, with the time', () => {
    const made = write(undefined, config({ a: '1', b: '1' }), tracking('one'))
    const changed = write(
      made,
      config({ a: '1', b: '2', c: '3' }, made.metadata),
      tracking('two', minute),
    )
    expect(owners(changed)).toEqual([
      {
        manager: 'one',
        operation: 'Update',
        time: '1970-01-01T00:00:00Z',
        fieldsV1: { 'f:data': { '.': {}, 'f:a': {} } },
      },
      {
        manager: 'two',
        operation: 'Update',
        time: '1970-01-01T00:01:00Z',
        fieldsV1: { 'f:data': { 'f:b': {}, 'f:c': {} } },
      },
    ])
  })

  it('keeps the very same entry for who lost and gained nothing', () => {
    const made = write(undefined, config({ a: '1' }), tracking('one'))
    const changed = write(made, config({ a: '1', b: '2' }, made.metadata), tracking('two', minute))
    expect(changed.metadata.managedFields?.[0]).toBe(made.metadata.managedFields?.[0])
  })

  it('merges the oldest of more than ten managers', () => {
    let object = write(undefined, config({ k: '1' }), tracking('m0'))
    for (let index = 1; index <= 11; index += 1) {
      const next = config({ ...object.data, [`k${index}`]: '1' }, object.metadata)
      object = write(object, next, tracking(`m${index}`, index * minute))
    }
    const managers = owners(object).map(({ manager }) => manager)
    expect(managers).toHaveLength(10)
    expect(managers[0]).toBe('ancient-changes')
    expect(owners(object)[0]?.fieldsV1).toEqual({
      'f:data': { '.': {}, 'f:k': {}, 'f:k1': {}, 'f:k2': {} },
    })
  })

  it.each([[[]], [[{}]]])('forgets all for %j, and stays out until the next apply', (sent) => {
    const made = write(undefined, config({ a: '1' }), tracking('one'))
    const reset = write(made, config({ a: '1' }, { managedFields: sent }), tracking('one', minute))
    expect(reset.metadata.managedFields).toBeUndefined()
    const later = write(reset, config({ a: '2' }), tracking('two', minute))
    expect(later.metadata.managedFields).toBeUndefined()
    const by = owners(applied(later, { data: { b: '1' } }, tracking('three', minute)))
    expect(by.map(({ manager }) => manager)).toEqual(['three', 'before-first-apply'])
  })

  it('does not let a subresource write change the entries of others', () => {
    const made = write(undefined, config({ a: '1' }), tracking('one'))
    const sneaky = config({ a: '1' }, { managedFields: [] })
    expect(trackUpdate(made, sneaky, tracking('two', 0, configmaps, 'status'))).toEqual(
      made.metadata.managedFields,
    )
  })

  it('makes one new entry for a Lease renewal', () => {
    const lease = (renewTime: string, metadata: object = {}) =>
      ({
        metadata: { name: 'n', uid: 'u', ...metadata },
        spec: { holderIdentity: 'n', renewTime },
      }) as KubeObject
    const by = (nowMs: number) => tracking('kubelet', nowMs, leases as never)
    const first = lease('2026-01-01T00:00:00.000000Z')
    const managedFields = trackUpdate(undefined, first, by(0))
    const live = lease('2026-01-01T00:00:00.000000Z', { managedFields })
    const next = trackUpdate(
      live,
      lease('2026-01-01T00:00:10.000000Z', { managedFields }),
      by(minute),
    )
    expect(next).toHaveLength(1)
    expect(next?.[0]?.fieldsV1).toBe(managedFields?.[0]?.fieldsV1)
    expect(next?.[0]?.time).toBe('1970-01-01T00:01:00Z')
  })

  it('sees a change of times alone as none', () => {
    const made = write(undefined, config({ a: '1' }), tracking('one'))
    const [entry] = made.metadata.managedFields ?? []
    const later = {
      ...made,
      metadata: { ...made.metadata, managedFields: [{ ...entry, time: '1970-01-02T00:00:00Z' }] },
    }
    expect(isNoChange(made, later)).toBe(true)
    expect(isNoChange(made, { ...later, data: { a: '2' } } as KubeObject)).toBe(false)
  })
})

describe('apply()', () => {
  it('takes over from client-side apply what its annotation vouches for', () => {
    const annotation = 'kubectl.kubernetes.io/last-applied-configuration'
    const last = JSON.stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'a' },
      data: { a: '1' },
    })
    const annotations = { [annotation]: `${last}\n` }
    const made = write(
      undefined,
      config({ a: '1', b: '1' }, { annotations }),
      tracking('kubectl-client-side-apply'),
    )
    const moved = applied(made, { data: { a: '2' } }, tracking('kubectl', minute))
    expect(moved.data).toEqual({ a: '2', b: '1' })
    expect(moved.metadata.annotations?.[annotation]).toBe(
      '{"apiVersion":"v1","data":{"a":"2"},"kind":"ConfigMap","metadata":{"name":"a"}}\n',
    )
    expect(() => applied(made, { data: { b: '2' } }, tracking('kubectl', minute))).toThrow(
      'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using v1: .data.b',
    )
    expect(() => applied(made, { data: { a: '2' } }, tracking('other', minute))).toThrow(
      '1 conflict',
    )
  })

  it('removes what it applied before and nobody else owns', () => {
    const first = applied(undefined, { data: { a: '1', b: '1' } }, tracking('one'))
    const shared = applied(first, { data: { b: '1' } }, tracking('two', minute))
    expect(applied(shared, { data: {} }, tracking('one', minute)).data).toEqual({ b: '1' })
  })

  it('answers 400 for another kind, 500 for fields that there are not', () => {
    const refuse = (body: JsonObject) => {
      const outcome = apply(undefined, body, { force: false, tracking: tracking('one') })
      return outcome.ok ? undefined : [outcome.error.code, outcome.error.message]
    }
    expect(refuse({ apiVersion: 'v1', kind: 'Secret', metadata: {} })).toEqual([
      400,
      'invalid object type: /v1, Kind=Secret',
    ])
    expect(refuse({ apiVersion: 'v1', kind: 'ConfigMap', metadata: {}, dat: 1 })).toEqual([
      500,
      'failed to create typed patch object (/; /v1, Kind=ConfigMap): .dat: field not declared in schema',
    ])
  })
})

describe('merge()', () => {
  const list = atomOfStruct('core.v1.PodSpec')
  const names = (spec: unknown) =>
    (spec as { containers: { name: string }[] }).containers.map(({ name }) => name)
  const spec = (...of: string[]) => ({ containers: of.map((name) => ({ name })) })
  it.each([
    [['a', 'b'], ['a'], ['a', 'b']],
    [['a', 'b'], ['c'], ['a', 'b', 'c']],
    [
      ['a', 'b'],
      ['b', 'a'],
      ['b', 'a'],
    ],
    [
      ['a', 'b', 'c'],
      ['c', 'a'],
      ['b', 'c', 'a'],
    ],
    [
      ['a', 'b'],
      ['x', 'a'],
      ['x', 'a', 'b'],
    ],
    [[], ['b', 'a'], ['b', 'a']],
  ])('%j with %j applied is %j', (live, config, want) => {
    expect(names(merge(spec(...live), spec(...config), list))).toEqual(want)
  })
})

describe('compare()', () => {
  it('says the same of equal objects, whatever the order of their keys', () => {
    const atom = atomOfStruct(services.struct)
    const one = {
      spec: {
        ports: [
          { port: 1, name: 'a' },
          { port: 2, name: 'b' },
        ],
        type: 'ClusterIP',
      },
    }
    const other = {
      spec: {
        type: 'ClusterIP',
        ports: [
          { name: 'b', port: 2 },
          { name: 'a', port: 1 },
        ],
      },
    }
    const comparison = compare(one, other, atom)
    expect(comparison && isSame(comparison)).toBe(true)
  })
})

describe('custom resources', () => {
  it('follow their structural schema, and own metadata like any kind', () => {
    const schema = {
      type: 'object',
      properties: {
        spec: {
          type: 'object',
          properties: {
            items: {
              type: 'array',
              'x-kubernetes-list-type': 'map',
              'x-kubernetes-list-map-keys': ['id'],
              items: {
                type: 'object',
                properties: { id: { type: 'string' }, size: { type: 'integer' } },
              },
            },
            any: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
          },
        },
      },
    } as unknown as JSONSchemaProps
    const by = {
      ...tracking('one'),
      atom: atomOfCustom(schema),
      empty: { metadata: {} },
      group: 'x.io',
      kind: 'Foo',
    }
    const body = {
      apiVersion: 'x.io/v1',
      kind: 'Foo',
      metadata: { name: 'a', labels: { l: '1' } },
      spec: { items: [{ id: 'i', size: 1 }], any: { b: { c: 1 } } },
    }
    const outcome = apply(undefined, body, { force: false, tracking: by })
    expect(outcome.ok && owners(outcome.object as unknown as KubeObject)[0]?.fieldsV1).toEqual({
      'f:metadata': { 'f:labels': { 'f:l': {} } },
      'f:spec': {
        'f:any': { 'f:b': { '.': {}, 'f:c': {} } },
        'f:items': { 'k:{"id":"i"}': { '.': {}, 'f:id': {}, 'f:size': {} } },
      },
    })
    const wrong = apply(undefined, { ...body, spec: { nope: 1 } }, { force: false, tracking: by })
    expect(!wrong.ok && wrong.error.message).toBe(
      'failed to create typed patch object (/a; x.io/v1, Kind=Foo): .spec.nope: field not declared in schema',
    )
  })
})

describe('scale', () => {
  it('shows who owns the replicas, and takes them over', () => {
    const mapping = { apiVersion: 'apps/v1', replicas: ['f:spec', 'f:replicas'] }
    const parent = [
      {
        manager: 'm',
        operation: 'Apply',
        apiVersion: 'apps/v1',
        fieldsType: 'FieldsV1',
        fieldsV1: { 'f:spec': { 'f:replicas': {}, 'f:paused': {} } },
      },
    ]
    const seen = managedFieldsOfScale(parent, mapping)
    expect(seen).toMatchObject([
      { manager: 'm', apiVersion: 'autoscaling/v1', fieldsV1: { 'f:spec': { 'f:replicas': {} } } },
    ])
    const hpa = [
      {
        manager: 'hpa',
        operation: 'Update',
        apiVersion: 'autoscaling/v1',
        subresource: 'scale',
        fieldsType: 'FieldsV1',
        fieldsV1: { 'f:spec': { 'f:replicas': {} } },
      },
    ]
    expect(managedFieldsOfParent(parent, hpa, mapping)).toMatchObject([
      { manager: 'm', fieldsV1: { 'f:spec': { 'f:paused': {} } } },
      {
        manager: 'hpa',
        apiVersion: 'apps/v1',
        subresource: 'scale',
        fieldsV1: { 'f:spec': { 'f:replicas': {} } },
      },
    ])
    expect(managedFieldsOfParent(parent, seen, mapping)).toMatchObject(parent)
  })
})

describe('managerOf()', () => {
  it('is what was asked for, else the program of the User-Agent', () => {
    expect(managerOf('me', 'kubectl/v1')).toBe('me')
    expect(managerOf('', 'kubectl/v1.36 (linux)')).toBe('kubectl')
    expect(managerOf(undefined, 'a\u0001b/1')).toBe('ab')
    expect(managerOf(undefined, 'x'.repeat(200))).toHaveLength(128)
  })
  it('is refused as recorded', () => {
    expect(validateManager('a\u0001b')).toMatchObject([
      { message: 'Invalid value: "a\\x01b": invalid character U+0001 (at position 1)' },
    ])
    expect(validateManager('x'.repeat(129))).toMatchObject([
      { message: 'Too long: may not be more than 128 bytes' },
    ])
  })
})
