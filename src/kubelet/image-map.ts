// The image map as users write it: YAML lists in the values of ConfigMap kube-system/signpost-images.
import type { ImageMapping } from './image.ts'

/** Throws with the place of the first entry that says nothing useful. */
export async function parseImageMap(
  data: Readonly<Record<string, string>>,
): Promise<readonly ImageMapping[]> {
  if (Object.keys(data).length === 0) return []
  const { parse } = await import('yaml')
  return Object.entries(data).flatMap(([file, text]) => {
    const list: unknown = parse(text) ?? []
    if (!Array.isArray(list)) throw new TypeError(`cannot read "${file}": it must be a list`)
    return list.map((entry, index) => checked(entry, `${file}[${index}]`))
  })
}

function checked(entry: unknown, where: string): ImageMapping {
  const mapping = entry as Partial<ImageMapping> | null
  if (typeof mapping?.image !== 'string') {
    throw new TypeError(`cannot read "${where}": "image" must name an image`)
  }
  if ((mapping.rootfs === undefined) === (mapping.host !== true)) {
    throw new TypeError(`cannot read "${where}": it must have either "rootfs" or "host: true"`)
  }
  return mapping as ImageMapping
}
