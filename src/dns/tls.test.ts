// DNS over TLS from end to end: our listener, asked through our forward.
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FixtureApi, fillMarket } from '../../test/dns/market.ts'
import type { TestServer } from '../../test/dns/server.ts'
import { startTestServer } from '../../test/dns/server.ts'

const directory = mkdtempSync(join(tmpdir(), 'signpost-dot-'))
const api = new FixtureApi()
fillMarket(api)
const open: TestServer[] = []

/** A certificate for one DNS name that signs itself. */
async function writeCertificate(name: string): Promise<void> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const cert = await X509CertificateGenerator.createSelfSigned(
    {
      name: `CN=${name}`,
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + 3_600_000),
      signingAlgorithm: algorithm,
      keys: keys as never,
      extensions: [new SubjectAlternativeNameExtension([{ type: 'dns', value: name }])],
    },
    webcrypto as never,
  )
  const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  writeFileSync(join(directory, 'tls.crt'), cert.toString('pem'))
  writeFileSync(join(directory, 'tls.key'), PemConverter.encode(key, 'PRIVATE KEY'))
}

beforeAll(() => writeCertificate('dns.test'))

afterAll(async () => {
  await Promise.all(open.map(({ dns }) => dns.stop()))
  rmSync(directory, { recursive: true })
})

async function start(corefile: string): Promise<TestServer> {
  const server = await startTestServer(corefile, api)
  open.push(server)
  return server
}

const files = `${directory}/tls.crt ${directory}/tls.key`

describe('tls://', () => {
  it('is served, and asked by forward, which believes the right name only', async () => {
    const far = await start(`tls://.:0 {\n tls ${files}\n kubernetes cluster.local\n}`)
    await expect.poll(() => far.lines[0]).toBe('tls://.:0')
    const near = (name: string) =>
      start(`. {
        errors
        forward . tls://127.0.0.1:${far.port} {
          tls ${directory}/tls.crt
          tls_servername ${name}
        }
      }`)
    const question = 'till.market.svc.cluster.local A'
    const expected = 'NOERROR aa rd\n--\ntill.market.svc.cluster.local. 5 IN A 10.110.0.11'
    const trusting = await near('dns.test')
    expect(await trusting.query(question)).toBe(expected)
    expect(await trusting.query(question)).toBe(expected)
    const wary = await near('other.test')
    expect(await wary.query(question)).toBe('SERVFAIL rd')
  })

  it('is refused without a certificate', async () => {
    await expect(start('tls://. {\n whoami\n}')).rejects.toThrow('needs the tls plugin')
  })
})
