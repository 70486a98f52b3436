// doctor against a running cluster: silent on what is healthy, and naming the cause of each fault
// that is put into it, first.
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Report } from '../../src/doctor/report.ts'
import type { Finished, TestCluster } from '../support/cluster.ts'
import { eventually, run, startTestCluster } from '../support/cluster.ts'
import { namespacesForbidden } from '../support/namespaces.ts'
import {
  faultManifests,
  faults,
  healthyManifests,
  healthyTargets,
} from './support/doctor-faults.ts'

const forbidden = namespacesForbidden()
const cutOff = fileURLToPath(new URL('support/cut-off.ts', import.meta.url))
const kubeSystem = ['-n', 'kube-system']
/** After this a Service and its Pods are no longer "just made". */
const settledMs = 10_500

let cluster: TestCluster
let good: string
const seconds: number[] = []

async function kubectl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.kubectl(...args)
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`)
  return stdout
}

async function apply(manifests: string): Promise<void> {
  const file = path.join(cluster.directory, 'manifests.yaml')
  fs.writeFileSync(file, manifests)
  await kubectl('apply', '-f', file)
}

async function doctor(ask: string): Promise<{ report: Report; finished: Finished }> {
  const startMs = performance.now()
  const finished = await cluster.shell(`signpost doctor ${ask} -o json`)
  seconds.push((performance.now() - startMs) / 1000)
  if (!finished.stdout.startsWith('{'))
    throw new Error(`signpost doctor ${ask}: ${finished.stdout}${finished.stderr}`)
  return { report: JSON.parse(finished.stdout) as Report, finished }
}

/** What is named first, and the ids of all causes. */
interface Cause {
  readonly id: string
  readonly message: string
  readonly ids: readonly string[]
  readonly fix: readonly string[]
}

async function firstCause(ask: string): Promise<Cause> {
  const { report, finished } = await doctor(ask)
  const [first] = report.findings
  const ids = report.findings.map(({ id }) => id)
  expect(finished.code, finished.stdout).toBe(first ? 1 : 0)
  return {
    id: first?.id ?? 'none',
    message: first?.message ?? '',
    ids,
    fix: first?.fix.commands ?? [],
  }
}

async function expectSilent(ask: string): Promise<void> {
  const { report, finished } = await doctor(ask)
  expect(report.findings, ask).toEqual([])
  expect(finished.code, `${ask}: ${finished.stdout}`).toBe(0)
}

const corefile = async (): Promise<string> =>
  kubectl(...kubeSystem, 'get', 'configmap', 'coredns', '-o', 'jsonpath={.data.Corefile}')

async function setCorefile(text: string): Promise<void> {
  const patch = JSON.stringify({ data: { Corefile: text } })
  await kubectl(...kubeSystem, 'patch', 'configmap', 'coredns', '--type=merge', '-p', patch)
  await killDns()
}

/** Without the five seconds a DNS server goes on for, so that the next ones start with the new file. */
async function killDns(): Promise<void> {
  const pods = ['delete', 'pod', '-l', 'k8s-app=kube-dns', '--grace-period=0', '--force']
  await kubectl(...kubeSystem, ...pods)
}

/** Answers every name below corp.test. */
const wildcard = `corp.test:53 {
    template IN A {
        answer "{{ .Name }} 60 IN A 203.0.113.9"
    }
}
`

const dnsReady = (): Promise<string> =>
  kubectl(...kubeSystem, 'rollout', 'status', 'deployment/coredns', '--timeout=20s')

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe.skipIf(forbidden)(`signpost doctor${forbidden ? ` (skipped: ${forbidden})` : ''}`, () => {
  beforeAll(async () => {
    cluster = await startTestCluster()
    await expectSilent('-A')
    await apply(healthyManifests)
    // Just made, with Pods that have not started: nothing is wrong yet.
    await expectSilent('-n healthy')
    await apply(faultManifests)
    const appliedMs = performance.now()
    good = `${await corefile()}${wildcard}`
    await setCorefile(
      good.replace(/(kubernetes [^{]*\{)/, '$1\n       endpoint http://127.0.0.1:1'),
    )
    for (const { name, running } of faults)
      for (const pod of running ?? [])
        await kubectl('-n', name, 'wait', `pod/${pod}`, '--for=jsonpath={.status.phase}=Running')
    await kubectl('-n', 'healthy', 'wait', 'deployment', '--all', '--for=condition=Available')
    await kubectl('-n', 'healthy', 'wait', 'pod/client', '--for=condition=Ready')
    // The age that doctor calls settled can only be waited for.
    await pause(appliedMs + settledMs - performance.now())
  })

  afterAll(async () => {
    await cluster?.stop()
    const sorted = seconds.sort((one, other) => one - other)
    process.stdout.write(
      `doctor: ${sorted.length} runs, median ${sorted[sorted.length >> 1]?.toFixed(2)} s, longest ${sorted.at(-1)?.toFixed(2)} s\n`,
    )
  })

  it('names D05 first when DNS cannot sync, and all that follows is under it', async () => {
    const cause = await firstCause('shop-web -n a02')
    expect(cause.id, JSON.stringify(cause)).toBe('D05')
    expect(cause.ids).toEqual(['D05'])
  })

  it('names D02 first when there is no DNS', async () => {
    await kubectl(...kubeSystem, 'scale', 'deployment/coredns', '--replicas=0')
    await killDns()
    const cause = await firstCause('shop-web -n a02')
    await setCorefile(good)
    await kubectl(...kubeSystem, 'scale', 'deployment/coredns', '--replicas=2')
    await dnsReady()
    expect(cause.id, JSON.stringify(cause)).toBe('D02')
    expect(cause.ids).toEqual(['D02'])
  })

  it('finds nothing in the healthy set', async () => {
    await expectSilent('-n healthy')
    await Promise.all(healthyTargets.map((target) => expectSilent(`${target} -n healthy`)))
  })

  it('finds nothing during a rolling update, nor about a Service of a moment ago', async () => {
    await kubectl('-n', 'healthy', 'rollout', 'restart', 'deployment/rolling')
    await kubectl(
      '-n',
      'healthy',
      'expose',
      'deployment',
      'web',
      '--name=newborn',
      '--port=80',
      '--target-port=8080',
    )
    const targets = ['rolling', 'newborn', '']
    await Promise.all(targets.map((target) => expectSilent(`${target} -n healthy`)))
    await kubectl('-n', 'healthy', 'rollout', 'status', 'deployment/rolling')
    await expectSilent('rolling -n healthy')
  })

  it.concurrent.each(faults)('names $id first', async ({ id, ask, says, mends }) => {
    const cause = await firstCause(ask)
    expect(cause.id, JSON.stringify(cause)).toBe(id)
    expect(cause.message).toMatch(says)
    if (!mends) return
    for (const command of cause.fix)
      expect(await cluster.shell(command), command).toMatchObject({ code: 0 })
    await eventually(() => expectSilent(ask))
  })

  it('works with the rights of an ordinary user, and says what they do not show', async () => {
    const space = ['-n', 'healthy']
    await kubectl(...space, 'create', 'serviceaccount', 'dev')
    await kubectl(
      ...space,
      'create',
      'rolebinding',
      'dev',
      '--clusterrole=view',
      '--serviceaccount=healthy:dev',
    )
    const token = (await kubectl(...space, 'create', 'token', 'dev')).trim()
    const file = path.join(cluster.directory, 'dev')
    fs.copyFileSync(cluster.kubeconfig, file)
    await kubectl('--kubeconfig', file, 'config', 'set-credentials', 'dev', `--token=${token}`)
    await kubectl('--kubeconfig', file, 'config', 'set-context', '--current', '--user=dev')
    const { report, finished } = await doctor(`web -n healthy --kubeconfig ${file}`)
    expect(finished.code, finished.stdout).toBe(0)
    expect(report.findings).toEqual([])
    const states = Object.fromEntries(report.links.map(({ link, state }) => [link, state]))
    expect(states).toMatchObject({
      registration: 'proven',
      endpoints: 'proven',
      proxy: 'unknown',
      dns: 'unknown',
    })
    expect(report.unseen.map(({ reason }) => reason)).not.toEqual([])
    const wrong = await doctor(`web:8080 -n healthy --kubeconfig ${file}`)
    expect(wrong.report.findings.map(({ id }) => id)).toEqual(['S19'])
    const elsewhere = await doctor(`web -n e01 --kubeconfig ${file}`).catch(
      (error: Error) => error.message,
    )
    expect(JSON.stringify(elsewhere)).toContain('role signpost-doctor -n e01')
  })

  it('is a plugin of kubectl, and speaks YAML', async () => {
    const program = fileURLToPath(new URL('../../bin/signpost.mjs', import.meta.url))
    fs.symlinkSync(program, path.join(cluster.directory, 'bin', 'kubectl-signpost'))
    const { code, stdout } = await cluster.shell('kubectl signpost doctor web -n healthy -o yaml')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^apiVersion: signpost.dev\/v1alpha1\nkind: DoctorReport\n/)
  })

  it('explains a registration in six steps, from live evidence', async () => {
    const { code, stdout } = await cluster.shell('signpost explain register web -n healthy')
    expect(code, stdout).toBe(0)
    expect(stdout).toMatch(
      /✓ 1 posted .*kubectl-client-side-apply.*✓ 2 authenticated.*kubernetes-admin.*spec\.clusterIP: "10\.96\..*✓ 3 ClusterIP.*✓ 4 EndpointSlices.*in  web-.*: ready.*✓ 5 network programmed.*node signpost: the kernel has what the API wants.*svc: 10\.96\.\S+ \. tcp \. 80 : goto c-2.*✓ 6 name answered.*coredns-\S+: web\.healthy\.svc\.cluster\.local\. A NOERROR 10\.96\./s,
    )
  })

  it('follows a registration from nothing to an answer', async () => {
    const following = cluster.shell(
      'timeout --signal=INT 3 signpost explain register later -n healthy --follow',
    )
    await pause(900)
    await kubectl('-n', 'healthy', 'create', 'service', 'clusterip', 'later', '--tcp=80:8080')
    const { stdout } = await following
    expect(stdout).toMatch(
      /… 1 posted\s+there is no Service "later" in healthy yet.*\d\d:\d\d:\d\d\.\d+\n✓ 1 posted.*✓ 5 network programmed.*deny: 10\.96\.\S+ \. tcp \. 80 : goto reject.*✓ 6 name answered/s,
    )
  })

  it('explains a lookup and a connection, as they then happen', async () => {
    const lookup = await cluster.shell('signpost explain resolve client web -n healthy')
    expect(lookup).toMatchObject({ code: 0 })
    expect(lookup.stdout).toMatch(
      /search healthy\.svc\.cluster\.local svc\.cluster\.local cluster\.local\n.*✓ 3 web\.healthy\.svc\.cluster\.local\..*the API says: NOERROR (10\.96\.\S+)\n\s+coredns-\S+: NOERROR \1/s,
    )
    const file = await kubectl('-n', 'healthy', 'exec', 'client', '--', 'cat', '/etc/resolv.conf')
    for (const line of file.trim().split('\n'))
      expect(lookup.stdout).toContain(`     ${line.trim()}\n`)
    const way = await cluster.shell('signpost explain connect client web:80 -n healthy')
    expect(way).toMatchObject({ code: 0 })
    const ends = [...way.stdout.matchAll(/^ {5}(10\.244\.\S+):8080$/gm)].map((match) => match[1])
    const ips = await kubectl(
      '-n',
      'healthy',
      'get',
      'pods',
      '-l',
      'app=web',
      '-o',
      'jsonpath={.items[*].status.podIP}',
    )
    expect(ends.toSorted()).toEqual(ips.trim().split(' ').toSorted())
    const refused = await cluster.shell('signpost explain connect client web:81 -n healthy')
    expect(refused.stdout).toContain('port 81 is not served; it serves 80/TCP (→ 8080)')
  })

  it('names D04 first when the DNS server lost its rights', async () => {
    const binding = await kubectl('get', 'clusterrolebinding', 'system:coredns', '-o', 'json')
    await kubectl('delete', 'clusterrolebinding', 'system:coredns')
    const cause = await firstCause('shop-web -n a02')
    await apply(binding)
    expect(cause.id, JSON.stringify(cause)).toBe('D04')
  })

  it('names D03 first when DNS forwards to itself', async () => {
    await setCorefile(good.replace('forward . /etc/resolv.conf', 'forward . 127.0.0.1:53'))
    const cause = await eventually(async () => {
      const found = await firstCause('shop-web -n a02')
      expect(found.id, JSON.stringify(found)).toBe('D03')
      return found
    }, 15_000)
    expect(cause.ids).toEqual(['D03'])
    await setCorefile(good)
    await dnsReady()
  })

  it('names N06 first when kube-dns moved to another address', async () => {
    const service = JSON.parse(
      await kubectl(...kubeSystem, 'get', 'service', 'kube-dns', '-o', 'json'),
    )
    const move = async (ip: string): Promise<void> => {
      await kubectl(...kubeSystem, 'delete', 'service', 'kube-dns')
      const { name, namespace, labels } = service.metadata
      const spec = { ...service.spec, clusterIP: ip, clusterIPs: [ip] }
      await apply(
        JSON.stringify({
          ...service,
          metadata: { name, namespace, labels },
          spec,
          status: undefined,
        }),
      )
    }
    await move('10.96.0.53')
    const cause = await firstCause('shop-web.a02 -n n01 --from client')
    await move('10.96.0.10')
    expect(cause.id, JSON.stringify(cause)).toBe('N06')
    expect(cause.message).toMatch(/asks 10\.96\.0\.10; the cluster DNS is at 10\.96\.0\.53/)
  })

  it('names X04 first on a node whose proxy no longer hears of changes', async () => {
    const { agentPid } = JSON.parse(
      fs.readFileSync(path.join(cluster.dataDir, 'run.json'), 'utf8'),
    ) as { agentPid: number }
    const inNode = async (verb: string): Promise<Finished> => {
      const user = process.getuid?.() === 0 ? [] : ['--user', '--preserve-credentials']
      const args = ['--target', String(agentPid), ...user, '--net', process.execPath]
      const script = ['--import', 'tsx', cutOff, verb, '192.168.50.2', '6443']
      return run('nsenter', [...args, ...script], process.env)
    }
    await expectSilent('shop-web -n a02')
    expect(await inNode('on')).toMatchObject({ code: 0 })
    await kubectl(
      '-n',
      'a02',
      'expose',
      'pod',
      'shop-web',
      '--name=late',
      '--port=80',
      '--target-port=8080',
    )
    const cause = await eventually(async () => {
      const found = await firstCause('late -n a02')
      expect(found.id, JSON.stringify(found)).toBe('X04')
      return found
    }, 10_000)
    expect(cause.message).toMatch(/map svc has no entry, it should say goto c-1/)
    expect(await inNode('off')).toMatchObject({ code: 0 })
  })

  it('answers about one Service in under a second, and says when it could not look', async () => {
    const startMs = performance.now()
    const { code } = await cluster.shell('signpost doctor web -n healthy')
    expect(code).toBe(0)
    expect(performance.now() - startMs).toBeLessThan(process.env['CI'] ? 5000 : 2500)
    const nowhere = await cluster.shell('signpost doctor --kubeconfig /nonexistent')
    expect(nowhere).toMatchObject({ code: 2, stdout: '' })
  })
})
