// An unmodified kubectl against the API server alone: what it says is what it says of Kubernetes.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tools } from '../support/tools.ts'
import type { Server } from './server.ts'
import { startServer } from './server.ts'

let server: Server
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server?.stop())

/** What a command prints, errors among it, one line after the other. */
async function say(...args: string[]): Promise<string> {
  const { stdout, stderr } = await server.kubectl(...args)
  return (stdout + stderr).trim()
}

async function apply(manifest: string, ...args: string[]): Promise<string> {
  const { stdout, stderr } = await server.pipe(manifest, 'apply', ...args, '-f', '-')
  return (stdout + stderr).trim()
}

const field = (what: string, path: string, namespace = 'default') =>
  say('get', what, '-n', namespace, '-o', `jsonpath={${path}}`)

const web = (image: string, replicas = 2) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "${image}", ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
`

describe('kubectl apply', () => {
  test('creates, finds nothing to do, shows a difference, configures, and prunes fields', async () => {
    expect(await apply(web('web:1'))).toBe('deployment.apps/web created\nservice/web created')
    expect(await apply(web('web:1'))).toBe('deployment.apps/web unchanged\nservice/web unchanged')
    const same = await server.pipe(web('web:1'), 'diff', '-f', '-')
    expect([same.code, same.stdout]).toEqual([0, ''])
    const other = await server.pipe(web('web:2'), 'diff', '-f', '-')
    expect(other.code).toBe(1)
    const changed = other.stdout.split('\n').filter((line) => /^[-+] /.test(line))
    expect(changed.map((line) => line.replace(/\s+/g, ' '))).toEqual([
      '- generation: 1',
      '+ generation: 2',
      '- - image: web:1',
      '+ - image: web:2',
    ])
    expect(await apply(web('web:2').replace('name: http, ', ''))).toBe(
      'deployment.apps/web configured\nservice/web configured',
    )
    expect(await field('svc/web', '.spec.ports[0].name')).toBe('')
    expect(await field('deploy/web', '.spec.template.spec.containers[*].image')).toBe('web:2')
  })

  test('--server-side tells who owns what, and takes it by force only', async () => {
    await say('create', 'ns', 'owned')
    const ssa = (manifest: string, ...args: string[]) =>
      apply(manifest, '-n', 'owned', '--server-side', ...args)
    expect(await ssa(web('web:1'), '--field-manager', 'a')).toBe(
      'deployment.apps/web serverside-applied\nservice/web serverside-applied',
    )
    const refused = await ssa(web('web:9'), '--field-manager', 'b')
    expect(refused).toContain(
      'Apply failed with 1 conflict: conflict with "a": .spec.template.spec.containers[name="web"].image',
    )
    expect(await ssa(web('web:9'), '--field-manager', 'b', '--force-conflicts')).toContain(
      'deployment.apps/web serverside-applied',
    )
    await say('scale', 'deploy/web', '--replicas=5', '-n', 'owned')
    expect(await ssa(web('web:9'), '--field-manager', 'b')).toContain(
      'conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas',
    )
    const managers = await field('deploy/web', '.metadata.managedFields[*].manager', 'owned')
    expect(managers.split(' ').sort()).toEqual(['a', 'b', 'kubectl'])
  })

  test('refuses what no server takes, before and after asking it', async () => {
    const unknown = 'apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {prots: []}\n'
    expect(await apply(unknown)).toContain('unknown field "spec.prots"')
    const badPort =
      'apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {ports: [{port: 70000}]}\n'
    expect(await apply(badPort)).toContain(
      '* spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive',
    )
    const nowhere = 'apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: x}\n'
    expect(await apply(nowhere)).toContain(
      'no matches for kind "Widget" in version "example.com/v1"',
    )
  })
})

describe('kubectl', () => {
  beforeAll(async () => {
    await say('create', 'ns', 'verbs')
    await apply(web('web:1'), '-n', 'verbs')
  })
  const verb = (...args: string[]) => say(...args, '-n', 'verbs')

  test('labels, annotates, scales, sets an image and patches in every way', async () => {
    expect(await verb('label', 'svc/web', 'tier=front')).toBe('service/web labeled')
    expect(await verb('label', 'svc/web', 'tier=back')).toContain('already has a value (front)')
    expect(await verb('label', 'svc/web', 'tier=back', '--overwrite')).toBe('service/web labeled')
    expect(await verb('get', 'svc', '-l', 'tier=back', '-o', 'name')).toBe('service/web')
    expect(await verb('label', 'svc/web', 'tier-')).toBe('service/web unlabeled')
    expect(await verb('annotate', 'svc/web', 'note=1')).toBe('service/web annotated')
    expect(await verb('scale', 'deploy/web', '--replicas=7')).toBe('deployment.apps/web scaled')
    expect(await verb('scale', 'deploy/web', '--current-replicas=3', '--replicas=1')).toContain(
      'error: Expected replicas to be 3, was 7',
    )
    expect(await verb('set', 'image', 'deploy/web', 'web=web:5')).toBe(
      'deployment.apps/web image updated',
    )
    const patches = [
      ['strategic', '{"spec":{"ports":[{"port":81,"name":"more"}]}}'],
      ['json', '[{"op":"replace","path":"/spec/ports/0/port","value":8000}]'],
      ['merge', '{"metadata":{"annotations":{"note":null}}}'],
    ]
    for (const [type = '', patch = ''] of patches)
      expect(await verb('patch', 'svc/web', '--type', type, '-p', patch)).toBe(
        'service/web patched',
      )
    const ports = await field('svc/web', '.spec.ports[*].port', 'verbs')
    expect(ports.split(' ').sort()).toEqual(['80', '8000'])
    expect(await field('svc/web', '.metadata.annotations.note', 'verbs')).toBe('')
  })

  test('edits, and is told when there is nothing to edit', async () => {
    const editor = (script: string) =>
      server.run(
        '/bin/sh',
        '-c',
        `KUBE_EDITOR="${script}" "$0" edit cm/edited -n verbs`,
        tools().kubectl,
      )
    await verb('create', 'configmap', 'edited', '--from-literal=a=1')
    const edited = await editor("sed -i 's/a: .*/a: two/'")
    expect(edited.stdout).toBe('configmap/edited edited\n')
    expect(await field('cm/edited', '.data.a', 'verbs')).toBe('two')
    expect((await editor('true')).stderr).toContain('Edit cancelled, no changes made.')
  })

  test('creates by its own generators, dry runs without a trace, replaces and deletes', async () => {
    const made = [
      ['configmap', 'c', '--from-literal=a=b'],
      ['secret', 'generic', 's', '--from-literal=k=v'],
      ['serviceaccount', 'robot'],
      ['deployment', 'd', '--image=d:1', '--replicas=2'],
      ['service', 'nodeport', 'np', '--tcp=80:8080'],
      ['service', 'externalname', 'en', '--external-name=example.com'],
      ['role', 'reader', '--verb=get,list', '--resource=pods'],
      ['rolebinding', 'read', '--role=reader', '--user=bob'],
      ['job', 'j', '--image=j:1'],
    ]
    for (const args of made) expect(await verb('create', ...args)).toMatch(/ created$/)
    const dry = await verb('create', 'configmap', 'dry', '--dry-run=server', '-o', 'name')
    expect(dry).toBe('configmap/dry')
    expect(await verb('get', 'cm/dry')).toBe(
      'Error from server (NotFound): configmaps "dry" not found',
    )
    expect(await field('secret/s', '.data.k', 'verbs')).toBe('dg==')
    expect(await verb('expose', 'deploy/d', '--port=80', '--name=exposed')).toBe(
      'service/exposed exposed',
    )
    expect(await verb('create', 'configmap', 'c')).toBe(
      'error: failed to create configmap: configmaps "c" already exists',
    )
    expect(await verb('delete', 'cm/c', 'secret/s')).toContain('configmap "c" deleted')
  })

  test('waits, watches and pages', async () => {
    const waiting = verb(
      'wait',
      'deploy/web',
      '--for=jsonpath={.metadata.labels.go}=yes',
      '--timeout=10s',
    )
    await verb('label', 'deploy/web', 'go=yes')
    expect(await waiting).toBe('deployment.apps/web condition met')
    const names = await verb('get', 'svc', '--chunk-size=1', '-o', 'name')
    expect(names.split('\n').length).toBeGreaterThan(1)
    expect(await verb('delete', 'deploy/web', '--wait', '--timeout=10s')).toContain(
      'deployment.apps "web" deleted',
    )
  })

  test('explains, lists what there is and describes', async () => {
    expect(await say('explain', 'service.spec.ports')).toMatch(/FIELD: ports <\[\]ServicePort>/)
    expect(await say('explain', 'endpointslice', '--recursive')).toContain('addressType')
    const resources = await say('api-resources', '--api-group=discovery.k8s.io', '--no-headers')
    expect(resources.split(/\s+/)).toEqual([
      'endpointslices',
      'discovery.k8s.io/v1',
      'true',
      'EndpointSlice',
    ])
    expect((await say('api-versions')).split('\n')).toContain('networking.k8s.io/v1')
    expect(await say('describe', 'svc/kubernetes')).toMatch(/^IP:\s+10\.96\.0\.1$/m)
    expect(await say('version')).toMatch(/Server Version: v1\.36/)
  })

  test("asks who may do what, and is refused in Kubernetes' words", async () => {
    const bob = (...args: string[]) => server.kubectl('--context', 'bob', ...args)
    expect((await bob('auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}')).stdout).toBe(
      'bob',
    )
    expect((await bob('auth', 'can-i', 'list', 'pods', '-n', 'verbs')).stdout).toBe('yes\n')
    const no = await bob('auth', 'can-i', 'delete', 'pods', '-n', 'verbs')
    expect([no.code, no.stdout]).toEqual([1, 'no\n'])
    expect((await bob('get', 'secrets')).stderr).toBe(
      'Error from server (Forbidden): secrets is forbidden: User "bob" cannot list resource "secrets" in API group "" in the namespace "default"\n',
    )
    expect(await say('auth', 'can-i', '*', '*')).toBe('yes')
  })

  test('creates a token that the server takes, for its ServiceAccount', async () => {
    const token = await verb('create', 'token', 'robot', '--duration=1h')
    expect(token.split('.')).toHaveLength(3)
    const who = await server.kubectl(
      ...['--context', 'nobody', '--token', token],
      ...['auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}'],
    )
    expect(who.stdout).toBe('system:serviceaccount:verbs:robot')
  })
})
