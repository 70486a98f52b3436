import { describe, expect, it } from 'vitest'
import { encodeMessage, encodeProtobufList } from './protobuf.ts'

describe('encodeProtobufList()', () => {
  it('holds items of any size, also ones that outgrow the buffer at once', () => {
    const struct = 'core.v1.ConfigMap'
    const items = [10, 5000, 300_000, 2_000_000, 1].map((size) => ({
      metadata: { name: `size-${size}` },
      data: { text: 'x'.repeat(size) },
    }))
    const bytes = encodeProtobufList(
      { apiVersion: 'v1', kind: 'ConfigMapList' },
      { resourceVersion: '7' },
      items.map((item) => encodeMessage(struct, item)),
    )
    const sizes = items.reduce((sum, item) => sum + item.data.text.length, 0)
    expect(bytes.length).toBeGreaterThan(sizes)
    expect(bytes.subarray(0, 4).toString('latin1')).toBe('k8s\0')
    for (const item of items) expect(bytes.includes(item.metadata.name)).toBe(true)
  })
})
