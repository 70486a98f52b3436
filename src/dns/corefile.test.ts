// The grammar of Corefiles (dns.md 2.1) and what is refused before anything is opened.
import { describe, expect, it } from 'vitest'
import { configure } from './config.ts'
import type { ImportReader, Line, ServerBlock } from './corefile.ts'
import { CorefileError, parseCorefile } from './corefile.ts'
import { parseDurationMs } from './directive.ts'
import { parseFlags } from './flags.ts'
import { defaultCorefile } from './manifests.ts'
import { normalizeZones, parseKey } from './zone-names.ts'

const files: Readonly<Record<string, string>> = {
  '/etc/custom/a.override': 'log\n',
  '/etc/custom/b.override': 'whoami {\n}\n',
  '/etc/one.server': 'one.test {\n  whoami\n}\n',
}
const reader: ImportReader = {
  environment: (name) => ({ ZONE: 'env.test', PORT: '1053' })[name] ?? '',
  read(pattern) {
    const prefix = pattern.split('*')[0]!
    const found = Object.keys(files).filter((file) =>
      pattern.includes('*') ? file.startsWith(prefix) : file === pattern,
    )
    if (found.length === 0 && !pattern.includes('*')) return undefined
    return found.map((file) => ({ file, text: files[file]! }))
  },
}

const parse = (text: string) => parseCorefile({ file: 'Corefile', text }, reader)

/** Blocks as text: keys, then lines with their blocks in brackets. */
function show(text: string): string {
  const line = ({ words, block }: Line): string =>
    `${words.join(' ')}${block ? `[${block.map(line).join('; ')}]` : ''}`
  const block = ({ keys, lines }: ServerBlock) => `${keys.join(',')}: ${lines.map(line).join('; ')}`
  return parse(text).blocks.map(block).join('\n')
}

const configured = async (text: string) => configure(parse(text), 53)

const refuse = (text: string, message: string) =>
  expect(configured(text)).rejects.toThrow(
    expect.objectContaining({ message: expect.stringContaining(message) }),
  )

describe('parseCorefile()', () => {
  const check = (text: string, expected: string) => expect(show(text)).toBe(expected)

  it('reads blocks, keys, nested lines, quotes and comments', () => {
    check('. {\n  errors\n}', '.: errors')
    check('a.test, b.test c.test:53 {\n whoami # no\n}', 'a.test,b.test,c.test:53: whoami')
    check('a.test,\nb.test {\n whoami\n}', 'a.test,b.test: whoami')
    check('. {\n hosts {\n  1.2.3.4 a\n  ttl 5\n }\n log\n}', '.: hosts[1.2.3.4 a; ttl 5]; log')
    check('. {\n log "a b" "say \\"hi\\""\n}', '.: log a b say "hi"')
    check('. {\r\n log x#y\r\n}\r\n', '.: log x')
    check('\uFEFF.\nwhoami\nlog', '.: whoami; log')
  })

  it('replaces environment variables and splices imports and snippets', () => {
    check('{$ZONE}:{%PORT%} {\n log {$NONE}x\n}', 'env.test:1053: log x')
    check('(s) {\n log\n errors\n}\n. {\n import s\n whoami\n}', '.: log; errors; whoami')
    check('. {\n import /etc/custom/*.override\n errors\n}', '.: log; whoami[]; errors')
    check('. {\n log\n}\nimport /etc/one.server', '.: log\none.test: whoami')
    expect(parse('. {\n import /none/*.override\n}').warnings).toEqual([
      'No files matching import glob pattern: /none/*.override',
    ])
  })

  it('says where it stopped', async () => {
    await refuse(
      '. {\n errors\n',
      "Corefile:1 - Error during parsing: Unexpected EOF: '{' is not closed",
    )
    await refuse(
      '. {\n import /missing\n}',
      'Corefile:2 - Error during parsing: File to import not found',
    )
    await refuse('. {\n import {$NONE}\n}', 'Corefile:2')
    await refuse('}', "Corefile:1 - Error during parsing: Unexpected '}'")
    await refuse('(a) {\n}\n(a) {\n}', 'Corefile:3')
    await refuse('(a) {\n import a\n}\n. {\n import a\n}', 'maximum snippet import depth')
  })
})

describe('configure()', () => {
  it("takes kubeadm's and k3s' Corefiles", async () => {
    expect((await configured(defaultCorefile())).blocks[0]!.parts.map((p) => p.plugin)).toEqual(
      'reload ready health prometheus errors loadbalance cache kubernetes loop forward'.split(' '),
    )
    const k3s = `.:53 {
        errors
        health
        ready
        kubernetes cluster.local in-addr.arpa ip6.arpa {
          pods insecure
          fallthrough in-addr.arpa ip6.arpa
        }
        hosts /etc/coredns/NodeHosts {
          ttl 60
          reload 15s
          fallthrough
        }
        prometheus :9153
        cache 30
        loop
        reload
        loadbalance
        import /etc/coredns/custom/*.override
        forward . /etc/resolv.conf
    }
    import /etc/coredns/custom/*.server`
    expect((await configured(k3s)).blocks).toHaveLength(1)
    const nodeLocal = `cluster.local:53 {
        errors
        cache {
          success 9984 30
          denial 9984 5
        }
        reload
        loop
        bind 169.254.20.10 10.96.0.10
        forward . 10.96.0.11 {
          force_tcp
        }
        prometheus :9253
        health 169.254.20.10:8080
    }`
    expect((await configured(nodeLocal)).blocks[0]!.settings.bind).toHaveLength(2)
  })

  it('refuses what it does not serve, with file, line and name', async () => {
    await refuse(
      '. {\n nonsense\n}',
      "Corefile:2 - Error during parsing: Unknown directive 'nonsense'",
    )
    await refuse(
      '. {\n dnssec\n}',
      "Corefile:2 - Error during parsing: directive 'dnssec' is not supported",
    )
    await refuse(
      '. {\n kubernetes a.test {\n  nope\n }\n}',
      "plugin/kubernetes: Corefile:3 - Error during parsing: unknown property 'nope'",
    )
    await refuse('. {\n kubernetes a.test {\n  ttl 3601\n }\n}', 'Corefile:3')
    await refuse('. {\n kubernetes in-addr.arpa\n}', 'non-reverse zone name must be used')
    await refuse('. {\n loop\n loop\n}', 'can only be used once per Server Block')
    await refuse('. {\n forward . nonsense\n}', "not an IP address or file: 'nonsense'")
    await refuse('. {\n forward . https://192.0.2.1\n}', "'https://' is not supported")
    await refuse('. {\n loadbalance weighted f\n}', "policy 'weighted' is not supported")
    await refuse(
      '. {\n log\n}\n. {\n log\n}',
      'Corefile:4 - Error during parsing: cannot serve dns://.:53',
    )
    await refuse('grpc://. {\n log\n}', "'grpc://' is not supported")
  })

  it('refuses with nothing but CorefileError', async () => {
    const text = '. {\n cache 30 {\n  prefetch x\n }\n}'
    await expect(configured(text)).rejects.toThrow(CorefileError)
  })
})

describe('values', () => {
  it('parseDurationMs() reads what Go reads', () => {
    const check = (text: string, ms: number | undefined) => expect(parseDurationMs(text)).toBe(ms)
    check('5s', 5000)
    check('1m30s', 90_000)
    check('500ms', 500)
    check('1.5h', 5_400_000)
    check('0', 0)
    check('5', undefined)
    check('-5s', undefined)
    check('s', undefined)
  })

  it('normalizeZones() expands CIDRs to reverse zones', () => {
    const check = (text: string, ...expected: string[]) =>
      expect(normalizeZones(text)).toEqual(expected)
    check('Example.ORG', 'example.org.')
    check('10.0.0.0/24', '0.0.10.in-addr.arpa.')
    check('10.0.0.0/8', '10.in-addr.arpa.')
    check('10.4.0.0/15', '4.10.in-addr.arpa.', '5.10.in-addr.arpa.')
    expect(normalizeZones('10.0.0.32/27')).toHaveLength(32)
    expect(normalizeZones('10.0.0.32/27')?.[31]).toBe('63.0.0.10.in-addr.arpa.')
    check('fd00::/8', 'd.f.ip6.arpa.')
    expect(normalizeZones('fd00::/49')?.length).toBe(8)
    expect(normalizeZones('a..b')).toBeUndefined()
  })

  it('parseKey() reads scheme, zone and port', () => {
    const check = (text: string, ...expected: string[]) =>
      expect(parseKey(text, 53)?.map((k) => `${k.scheme}://${k.zone}:${k.port}`)).toEqual(expected)
    check('.', 'dns://.:53')
    check('example.org:1053', 'dns://example.org.:1053')
    check('tls://example.org', 'tls://example.org.:853')
    check('10.0.0.0/24:54', 'dns://0.0.10.in-addr.arpa.:54')
    check('fd00::/16:54', 'dns://0.0.d.f.ip6.arpa.:54')
    expect(parseKey('ftp://x', 53)).toBeUndefined()
    expect(parseKey('a:b', 53)).toBeUndefined()
  })

  it('parseFlags() reads one dash or two, "=" or the next word', () => {
    const flags = parseFlags(['-conf', 'C', '--dns.port=1053', '-quiet'])
    expect(flags).toMatchObject({ conf: 'C', dnsPort: 1053, quiet: true, version: false })
    for (const bad of [['-nope'], ['-conf'], ['-p', 'x'], ['extra']]) {
      expect(() => parseFlags(bad)).toThrow()
    }
  })
})
