// Where the API is and who we are: kubeconfig files as people write them, and a Pod's own credentials.
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { kubeconfig } from './config.ts'
import { ClientConfigError, inClusterConfig, tokenFile } from './in-cluster.ts'

let directory: string
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'signpost-config-'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  vi.useRealTimers()
  fs.rmSync(directory, { recursive: true, force: true })
})

function write(name: string, text: string): string {
  const file = path.join(directory, name)
  fs.writeFileSync(file, text)
  return file
}

const base64 = (text: string) => Buffer.from(text).toString('base64')

const twoContexts = `
apiVersion: v1
kind: Config
current-context: one
clusters:
- name: c1
  cluster: {server: "https://one:6443", certificate-authority-data: ${base64('CA one')}}
- name: c2
  cluster: {server: "https://two:6443", insecure-skip-tls-verify: true, tls-server-name: api.two}
users:
- name: u1
  user: {client-certificate-data: ${base64('cert')}, client-key-data: ${base64('key')}}
- name: u2
  user: {token: secret}
contexts:
- name: one
  context: {cluster: c1, user: u1}
- name: two
  context: {cluster: c2, user: u2, namespace: shop}
`

describe('kubeconfig()', () => {
  test('reads the current context, or the one that is named', () => {
    const file = write('config', twoContexts)
    expect(kubeconfig({ userAgent: 'test', file })).toEqual({
      context: 'one',
      namespace: 'default',
      transport: {
        server: 'https://one:6443',
        userAgent: 'test',
        ca: Buffer.from('CA one'),
        cert: Buffer.from('cert'),
        key: Buffer.from('key'),
      },
    })
    const two = kubeconfig({ userAgent: 'test', file, context: 'two' })
    expect(two).toMatchObject({
      context: 'two',
      namespace: 'shop',
      transport: {
        server: 'https://two:6443',
        insecureSkipTLSVerify: true,
        serverName: 'api.two',
      },
    })
    expect(two.transport.token?.()).toBe('secret')
    expect(two.transport.ca).toBeUndefined()
  })

  test('takes files relative to its own place; data goes before a file, a token file before a token', () => {
    write('ca.crt', 'CA file')
    write('token', 'from file\n')
    const file = write(
      'config',
      `
current-context: c
clusters: [{name: c, cluster: {server: "https://x", certificate-authority: ca.crt}}]
users: [{name: u, user: {token: plain, tokenFile: ${path.join(directory, 'token')}}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
`,
    )
    const { transport } = kubeconfig({ userAgent: 'test', file })
    expect(transport.ca).toEqual(Buffer.from('CA file'))
    expect(transport.token?.()).toBe('from file')
  })

  test('is looked for where KUBECONFIG says: the first that exists', () => {
    const file = write('config', twoContexts)
    vi.stubEnv('KUBECONFIG', [path.join(directory, 'missing'), file].join(path.delimiter))
    expect(kubeconfig({ userAgent: 'test' }).context).toBe('one')
  })

  const check = (text: string | undefined, message: string, context?: string) => {
    const file = text === undefined ? path.join(directory, 'none') : write('config', text)
    const read = () => kubeconfig({ userAgent: 'test', file, ...(context ? { context } : {}) })
    expect(read).toThrow(ClientConfigError)
    expect(read).toThrow(message.replace('FILE', file))
  }

  test('says what is wrong, and where', () => {
    check(undefined, 'cannot read kubeconfig "FILE": no such file')
    check('', 'no context "" in kubeconfig "FILE"')
    check(twoContexts, 'no context "three" in kubeconfig "FILE"', 'three')
    check(
      'current-context: c\ncontexts: [{name: c, context: {cluster: gone, user: u}}]',
      'no cluster "gone" in kubeconfig "FILE"',
    )
    check('current-context: [unclosed', 'cannot read kubeconfig "FILE": ')
    check(
      twoContexts.replace('{token: secret}', '{exec: {command: aws}}'),
      'user "u2" in kubeconfig "FILE" needs an exec plugin, which is not supported',
      'two',
    )
    check(
      twoContexts.replace(
        `client-certificate-data: ${base64('cert')}`,
        'client-certificate: gone.crt',
      ),
      'cannot read kubeconfig "FILE": ',
    )
  })
})

describe('inClusterConfig()', () => {
  const environment = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' }

  test('is the address in the environment and the credentials in the Pod', () => {
    write('token', 'abc\n')
    write('ca.crt', 'CA')
    const config = inClusterConfig('test', environment, directory)
    expect(config).toMatchObject({
      server: 'https://10.96.0.1:443',
      ca: Buffer.from('CA'),
      userAgent: 'test',
    })
    expect(config.token?.()).toBe('abc')
    const six = { ...environment, KUBERNETES_SERVICE_HOST: 'fd00::1' }
    expect(inClusterConfig('test', six, directory).server).toBe('https://[fd00::1]:443')
  })

  test("says in client-go's words that this is no Pod", () => {
    expect(() => inClusterConfig('test', {}, directory)).toThrow(
      'unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined',
    )
  })

  test('says which of its files is missing', () => {
    const read = () => inClusterConfig('test', environment, directory)
    expect(read).toThrow(ClientConfigError)
    expect(read).toThrow(path.join(directory, 'token'))
  })
})

test('tokenFile() reads a rotated token within a minute, and keeps the old one while there is none', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const file = write('token', 'first')
  const token = tokenFile(file)
  write('token', 'second')
  expect(token()).toBe('first')
  vi.advanceTimersByTime(61_000)
  expect(token()).toBe('second')
  fs.rmSync(file)
  vi.advanceTimersByTime(61_000)
  expect(token()).toBe('second')
  write('token', 'third')
  vi.advanceTimersByTime(61_000)
  expect(token()).toBe('third')
})
