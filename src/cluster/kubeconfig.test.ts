import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { mergeKubeconfig, removeFromKubeconfig } from './kubeconfig.ts'

const access = (name: string, server = 'https://127.0.0.1:6443') => ({
  name,
  server,
  ca: 'CA',
  admin: { cert: 'CERT', key: 'KEY' },
})

const foreign = `# mine
apiVersion: v1
kind: Config
current-context: work
clusters:
- name: work
  cluster: {server: https://work.example} # keep
contexts:
- {name: work, context: {cluster: work, user: me}}
users:
- {name: me, user: {token: t}}
`

describe('mergeKubeconfig()', () => {
  let directory: string
  let file: string
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'signpost-test-'))
    file = path.join(directory, 'sub', 'config')
  })
  afterEach(() => rmSync(directory, { recursive: true }))
  const read = () => parse(readFileSync(file, 'utf8'))

  it('makes a file that kubectl accepts where there was none', () => {
    mergeKubeconfig(file, access('signpost'))
    expect(read()).toMatchObject({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'signpost',
      clusters: [{ name: 'signpost', cluster: { server: 'https://127.0.0.1:6443' } }],
      contexts: [{ name: 'signpost', context: { cluster: 'signpost', user: 'signpost' } }],
    })
  })

  it('keeps what others put there, comments too, and replaces its own', () => {
    file = path.join(directory, 'config')
    writeFileSync(file, foreign)
    mergeKubeconfig(file, access('signpost'))
    mergeKubeconfig(file, access('signpost', 'https://127.0.0.1:7777'))
    const text = readFileSync(file, 'utf8')
    expect(text).toContain('# mine')
    expect(text).toContain('# keep')
    expect(read().clusters.map((entry: { name: string }) => entry.name)).toEqual([
      'work',
      'signpost',
    ])
    expect(read().clusters[1].cluster.server).toBe('https://127.0.0.1:7777')
    expect(read()['current-context']).toBe('signpost')
  })

  it('is undone by removeFromKubeconfig()', () => {
    file = path.join(directory, 'config')
    writeFileSync(file, foreign)
    mergeKubeconfig(file, access('signpost'))
    expect(removeFromKubeconfig(file, 'signpost')).toBe(true)
    expect(removeFromKubeconfig(file, 'signpost')).toBe(false)
    expect(read().contexts).toEqual([{ name: 'work', context: { cluster: 'work', user: 'me' } }])
    expect(read()['current-context']).toBe('')
  })

  it('refuses what is no kubeconfig and leaves it alone', () => {
    file = path.join(directory, 'config')
    writeFileSync(file, 'a: [1,\n')
    expect(() => mergeKubeconfig(file, access('signpost'))).toThrow(
      /cannot use kubeconfig ".*config": .*; mend it/,
    )
    expect(readFileSync(file, 'utf8')).toBe('a: [1,\n')
  })
})
