// The cluster's certificates and keys: made once, kept in the data directory, read at each start.
// The certificate library is loaded only when something has to be issued.
import { generateKeyPairSync, randomBytes, webcrypto, X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import * as path from 'node:path'

export interface KeyPair {
  readonly cert: string
  readonly key: string
}

export interface Pki {
  readonly ca: KeyPair
  /** Signs and verifies ServiceAccount tokens; PEM. */
  readonly serviceAccountKey: string
  /** The API server's serving certificate. */
  readonly apiserver: KeyPair
  /** The API server towards kubelets. */
  readonly apiserverKubeletClient: KeyPair
  readonly admin: KeyPair
  /** The kubelet towards the API server, as system:node:NAME. */
  readonly kubelet: KeyPair
  readonly kubeletServing: KeyPair
  readonly proxy: KeyPair
}

export interface PkiConfig {
  readonly directory: string
  readonly nodeName: string
  /** Names and addresses by which the API server is reached. */
  readonly apiserverNames: readonly string[]
  readonly nodeAddresses: readonly string[]
}

type LeafName =
  | 'apiserver'
  | 'apiserverKubeletClient'
  | 'admin'
  | 'kubelet'
  | 'kubeletServing'
  | 'proxy'

interface LeafSpec {
  readonly file: string
  readonly subject: string
  readonly usage: 'client' | 'server'
  readonly names: readonly string[]
}

const yearMs = 365 * 24 * 3600 * 1000
const renewBeforeMs = 30 * 24 * 3600 * 1000

/** Reads what is there and issues what is missing, about to expire, or made for other names. */
export async function loadPki(config: PkiConfig, nowMs: number): Promise<Pki> {
  mkdirSync(config.directory, { recursive: true, mode: 0o700 })
  const issuer = new Issuer(config.directory, nowMs)
  const ca = await issuer.authority()
  const pairs: Partial<Record<LeafName, KeyPair>> = {}
  for (const [name, spec] of Object.entries(leaves(config)) as [LeafName, LeafSpec][]) {
    pairs[name] = await issuer.leaf(spec)
  }
  return {
    ...(pairs as Record<LeafName, KeyPair>),
    ca,
    serviceAccountKey: serviceAccountKey(config.directory),
  }
}

function leaves(config: PkiConfig): Readonly<Record<LeafName, LeafSpec>> {
  const client = (file: string, subject: string): LeafSpec => ({
    file,
    subject,
    usage: 'client',
    names: [],
  })
  return {
    apiserver: {
      file: 'apiserver',
      subject: 'CN=kube-apiserver',
      usage: 'server',
      names: config.apiserverNames,
    },
    apiserverKubeletClient: client('apiserver-kubelet-client', 'CN=kube-apiserver-kubelet-client'),
    admin: client('admin', 'CN=kubernetes-admin,O=system:masters'),
    kubelet: client('kubelet-client', `CN=system:node:${config.nodeName},O=system:nodes`),
    kubeletServing: {
      file: 'kubelet',
      subject: `CN=system:node:${config.nodeName},O=system:nodes`,
      usage: 'server',
      names: [config.nodeName, ...config.nodeAddresses],
    },
    proxy: client('kube-proxy', 'CN=system:kube-proxy'),
  }
}

function serviceAccountKey(directory: string): string {
  const file = path.join(directory, 'sa.key')
  if (existsSync(file)) return readFileSync(file, 'utf8')
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
  write(file, privateKey)
  return privateKey
}

/** Complete or absent, never half: written beside, then renamed. */
function write(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

type X509 = typeof import('@peculiar/x509')

const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

class Issuer {
  readonly #directory: string
  readonly #nowMs: number
  #library: X509 | undefined
  #ca: KeyPair | undefined

  constructor(directory: string, nowMs: number) {
    this.#directory = directory
    this.#nowMs = nowMs
  }

  async authority(): Promise<KeyPair> {
    this.#ca = this.#read('ca') ?? (await this.#issueAuthority())
    return this.#ca
  }

  async leaf(spec: LeafSpec): Promise<KeyPair> {
    const kept = this.#read(spec.file)
    if (kept && this.#serves(kept, spec)) return kept
    return this.#issueLeaf(spec)
  }

  #read(file: string): KeyPair | undefined {
    const certFile = path.join(this.#directory, `${file}.crt`)
    const keyFile = path.join(this.#directory, `${file}.key`)
    if (!existsSync(certFile) || !existsSync(keyFile)) return undefined
    return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') }
  }

  #serves(pair: KeyPair, spec: LeafSpec): boolean {
    const certificate = new X509Certificate(pair.cert)
    const named = spec.names.every((name) =>
      /^[\d.]+$|:/.test(name) ? certificate.checkIP(name) : certificate.checkHost(name),
    )
    const fresh = Date.parse(certificate.validTo) - this.#nowMs > renewBeforeMs
    return named && fresh && certificate.checkIssued(new X509Certificate(this.#ca!.cert))
  }

  async #load(): Promise<X509> {
    if (!this.#library) {
      await import('reflect-metadata')
      this.#library = await import('@peculiar/x509')
      this.#library.cryptoProvider.set(webcrypto as never)
    }
    return this.#library
  }

  async #issueAuthority(): Promise<KeyPair> {
    const x509 = await this.#load()
    const keys = await webcrypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify'])
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: serialNumber(),
      name: 'CN=kubernetes',
      ...this.#validity(10),
      signingAlgorithm: keyAlgorithm,
      keys: keys as never,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(
          x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.digitalSignature,
          true,
        ),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey as never),
      ],
    })
    return this.#keep('ca', certificate.toString('pem'), keys.privateKey)
  }

  async #issueLeaf(spec: LeafSpec): Promise<KeyPair> {
    const x509 = await this.#load()
    const ca = new x509.X509Certificate(this.#ca!.cert)
    const signingKey = await importKey(this.#ca!.key)
    const keys = await webcrypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify'])
    const usage =
      spec.usage === 'server' ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth
    const names = spec.names.map((value) => ({
      type: /^[\d.]+$|:/.test(value) ? ('ip' as const) : ('dns' as const),
      value,
    }))
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serialNumber(),
      subject: spec.subject,
      issuer: ca.subject,
      ...this.#validity(1),
      signingAlgorithm: keyAlgorithm,
      publicKey: keys.publicKey as never,
      signingKey: signingKey as never,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([usage]),
        await x509.AuthorityKeyIdentifierExtension.create(ca),
        ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
      ],
    })
    return this.#keep(spec.file, certificate.toString('pem'), keys.privateKey)
  }

  #validity(years: number): { notBefore: Date; notAfter: Date } {
    // Clocks of other machines may be a little behind.
    const notBefore = new Date(this.#nowMs - 5 * 60_000)
    return { notBefore, notAfter: new Date(this.#nowMs + years * yearMs) }
  }

  async #keep(file: string, cert: string, privateKey: webcrypto.CryptoKey): Promise<KeyPair> {
    const exported = await webcrypto.subtle.exportKey('pkcs8', privateKey)
    const base64 = Buffer.from(exported)
      .toString('base64')
      .replace(/(.{64})(?=.)/g, '$1\n')
    const key = `-----BEGIN PRIVATE KEY-----\n${base64}\n-----END PRIVATE KEY-----\n`
    const text = cert.endsWith('\n') ? cert : `${cert}\n`
    write(path.join(this.#directory, `${file}.key`), key)
    write(path.join(this.#directory, `${file}.crt`), text)
    return { cert: text, key }
  }
}

function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')
  return webcrypto.subtle.importKey('pkcs8', der, keyAlgorithm, true, ['sign'])
}

/** 16 random octets, positive (RFC 5280 section 4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0]! & 0x7f) | 0x40
  return bytes.toString('hex')
}
