// YAML as Kubernetes writes it: sorted keys, lists not indented, YAML 1.1 words quoted.
import { createRequire } from 'node:module'

type Yaml = typeof import('yaml')
let loaded: Yaml | undefined

/** Loaded on first use: few requests speak YAML, and none at start. */
function library(): Yaml {
  loaded ??= createRequire(import.meta.url)('yaml') as Yaml
  return loaded
}

export function formatYaml(value: unknown): string {
  const text = library().stringify(value, {
    version: '1.1',
    sortMapEntries: true,
    indentSeq: false,
    lineWidth: 0,
    aliasDuplicateObjects: false,
  })
  // The key of managedFields that the library takes for a number, and Go's does not.
  return text.replace(/^( *)"\.": /gm, '$1.: ')
}
