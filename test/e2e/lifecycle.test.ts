// A cluster's life as a user sees it: up, status, down, up again, side by side, killed, refused;
// and that nothing is left of it afterwards.
import * as fs from 'node:fs'
import * as net from 'node:net'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Finished } from '../support/cluster.ts'
import { eventually, run, startTestCluster } from '../support/cluster.ts'
import { namespacesForbidden } from '../support/namespaces.ts'
import { descendants } from '../support/processes.ts'
import { scratchDir } from '../support/tools.ts'

const program = fileURLToPath(new URL('../../bin/signpost.mjs', import.meta.url))
const forbidden = namespacesForbidden()

/** What of the host a cluster must not touch. */
function hostNetwork(): string {
  const files = [
    '/proc/net/dev',
    '/proc/net/route',
    '/proc/net/fib_trie',
    '/etc/resolv.conf',
    '/proc/sys/net/ipv4/ip_forward',
  ]
  const text = files.map((file) => fs.readFileSync(file, 'utf8'))
  // Counters change by themselves; names do not.
  text[0] = text[0]!
    .split('\n')
    .map((line) => line.split(':')[0])
    .join('\n')
  return text.join('\n')
}

const mounts = () => fs.readFileSync('/proc/self/mountinfo', 'utf8')

describe.skipIf(forbidden)(
  `signpost up${forbidden ? ` (skipped: ${forbidden})` : ''}`,
  () => {
    let directory: string
    let before: { network: string; mounts: string }
    beforeAll(() => {
      directory = scratchDir()
      before = { network: hostNetwork(), mounts: mounts() }
    })
    afterAll(() => fs.rmSync(directory, { recursive: true, force: true }))

    it('comes up, tells what came up, and leaves nothing behind', async () => {
      const cluster = await startTestCluster({ directory, args: ['--port', '0'] })
      const processes = descendants(cluster.process.pid!)
      expect(cluster.output).toMatch(/API server .*https:\/\/127\.0\.0\.1:\d+ .*s\n/)
      expect(cluster.output).toMatch(
        /cluster DNS .*kubernetes\.default\.svc\.cluster\.local\. -> 10\.96\.0\.1/,
      )
      expect(hostNetwork()).toBe(before.network)
      expect(
        await cluster.kubectl('create', 'configmap', 'kept', '--from-literal=a=b'),
      ).toMatchObject({ code: 0 })
      await cluster.stop()
      expect(processes.length).toBeGreaterThan(4)
      expect(processes.filter((pid) => fs.existsSync(`/proc/${pid}`))).toEqual([])
      expect(hostNetwork()).toBe(before.network)
      expect(mounts()).toBe(before.mounts)
      expect(fs.existsSync(path.join(directory, 'data', 'run.json'))).toBe(false)
    })

    it('resumes with all objects, says its status, and refuses a second start', async () => {
      const cluster = await startTestCluster({ directory })
      expect(
        (await cluster.kubectl('get', 'configmap', 'kept', '-o', 'jsonpath={.data.a}')).stdout,
      ).toBe('b')
      expect((await cluster.kubectl('config', 'current-context')).stdout.trim()).toBe('signpost')
      const status = await cluster.signpost('status')
      expect(status).toMatchObject({ code: 0 })
      expect(status.stdout).toMatch(/node +Ready\n +DNS +2\/2 ready/)
      expect(await cluster.signpost('up')).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('runs already'),
      })
      expect(await cluster.signpost('down')).toMatchObject({ code: 0 })
      expect(await cluster.signpost('status')).toMatchObject({
        code: 3,
        stdout: expect.stringContaining('is stopped'),
      })
    })

    it('runs a second cluster beside the first, and deletes only what is its own', async () => {
      const [first, second] = await Promise.all([
        startTestCluster({ directory }),
        startTestCluster({ directory, name: 'second' }),
      ])
      expect(
        (await second.kubectl('config', 'get-contexts', '-o', 'name')).stdout.split('\n'),
      ).toContain('signpost-second')
      await second.shell('kubectl --context signpost-second create namespace only-second')
      expect(
        await first.shell('kubectl --context signpost get namespace only-second'),
      ).toMatchObject({ code: 1 })
      expect(await second.signpost('delete')).toMatchObject({ code: 0 })
      expect(fs.existsSync(second.dataDir)).toBe(false)
      const contexts = await first.kubectl('config', 'get-contexts', '-o', 'name')
      expect(contexts.stdout.trim()).toBe('signpost')
      expect(await first.shell('kubectl --context signpost get namespaces')).toMatchObject({
        code: 0,
      })
      await first.stop()
    })

    it('--detach returns once DNS answers; down ends it', async () => {
      const env = {
        PATH: process.env['PATH'],
        HOME: directory,
        KUBECONFIG: path.join(directory, 'kubeconfig'),
        NO_COLOR: '1',
        SIGNPOST_BUILT: '1',
      }
      const place = ['--data-dir', path.join(directory, 'data')]
      const started = await run(
        process.execPath,
        [program, 'up', '--detach', ...place, '--resolv-conf', '/dev/null'],
        env,
      )
      expect(started, started.stderr).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('cluster DNS'),
      })
      expect(await run(process.execPath, [program, 'status', ...place], env)).toMatchObject({
        code: 0,
      })
      expect(await run(process.execPath, [program, 'down', ...place], env)).toMatchObject({
        code: 0,
      })
    })

    it('survives kill -9 of the agent and of a DNS Pod', async () => {
      const cluster = await startTestCluster({ directory })
      const named = (text: string) =>
        descendants(cluster.process.pid!).filter((pid) => commandLine(pid).includes(text))
      const ofDns = (...rest: string[]) => cluster.kubectl('-n', 'kube-system', 'get', ...rest)
      const restarts = async () => {
        const path = 'jsonpath={.items[*].status.containerStatuses[0].restartCount}'
        const { stdout } = await ofDns('pods', '-o', path)
        return stdout.split(' ').reduce((sum, count) => sum + Number(count), 0)
      }
      const ready = async () => {
        const path = 'jsonpath={.status.readyReplicas}'
        expect((await ofDns('deployment', 'coredns', '-o', path)).stdout).toBe('2')
      }
      await eventually(ready, 20_000)
      const before = await restarts()
      process.kill(named('Corefile').at(-1)!, 'SIGKILL')
      await eventually(async () => expect(await restarts()).toBe(before + 1), 20_000)
      await eventually(ready, 30_000)
      process.kill(named('agent-main').at(-1)!, 'SIGKILL')
      await eventually(async () => expect(named('Corefile').length).toBeGreaterThan(1), 20_000)
      await eventually(async () => expect(await restarts()).toBe(before + 3), 20_000)
      await eventually(ready, 30_000)
      await cluster.stop()
    }, 120_000)

    it('killed whole, leaves no process, and says so', async () => {
      const cluster = await startTestCluster({ directory })
      const processes = descendants(cluster.process.pid!)
      const gone = new Promise((resolve) => cluster.process.once('exit', resolve))
      cluster.process.kill('SIGKILL')
      await gone
      await eventually(async () =>
        expect(processes.filter((pid) => fs.existsSync(`/proc/${pid}`) && !isZombie(pid))).toEqual(
          [],
        ),
      )
      expect(await cluster.signpost('status')).toMatchObject({
        code: 3,
        stdout: expect.stringContaining('was killed'),
      })
      expect(mounts()).toBe(before.mounts)
      const again = await startTestCluster({ directory })
      expect((await again.kubectl('get', 'configmap', 'kept', '-o', 'name')).code).toBe(0)
      await again.stop()
    })

    it('of two started at once one runs, unharmed by the other', async () => {
      const place = path.join(directory, 'race')
      const started = await Promise.allSettled([
        startTestCluster({ directory: place, args: ['--port', '0'] }),
        startTestCluster({ directory: place, args: ['--port', '0'] }),
      ])
      const winners = started.filter((result) => result.status === 'fulfilled')
      const losers = started.filter((result) => result.status === 'rejected')
      expect(winners).toHaveLength(1)
      expect(String(losers[0]!.reason)).toMatch(/runs already/)
      const cluster = winners[0]!.value
      const logs = ['-n', 'kube-system', 'logs', 'deployment/coredns', '--tail=1']
      expect(await cluster.kubectl(...logs)).toMatchObject({ code: 0 })
      expect(await cluster.signpost('down')).toMatchObject({ code: 0 })
    })

    it('ends what is only starting, and a start that fails ends by itself', async () => {
      const dataDir = path.join(directory, 'starting')
      const env = cleanEnvironment()
      const place = ['--data-dir', dataDir, '--port', '0', '--resolv-conf', '/dev/null']
      const starting = run(process.execPath, [program, 'up', ...place], env)
      await eventually(async () => expect(fs.existsSync(path.join(dataDir, 'run.json'))).toBe(true))
      expect(
        await run(process.execPath, [program, 'down', '--data-dir', dataDir], env),
      ).toMatchObject({
        stdout: expect.stringContaining('stopped'),
      })
      expect(await starting).toMatchObject({ code: 0 })
      const bad = path.join(directory, 'bad-kubeconfig')
      fs.writeFileSync(bad, 'a: [1,\n')
      const failed = await run(
        process.execPath,
        [program, 'up', ...place, '--kubeconfig', bad],
        env,
      )
      expect(failed).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/^error: cannot use kubeconfig[^\n]*\n$/),
      })
    })

    it('delete leaves a directory alone that is none of a cluster', async () => {
      const foreign = path.join(directory, 'foreign')
      fs.mkdirSync(path.join(foreign, 'store'), { recursive: true })
      const result = await run(
        process.execPath,
        [program, 'delete', '--data-dir', foreign],
        cleanEnvironment(),
      )
      expect(result).toMatchObject({ code: 0, stdout: expect.stringContaining('does not exist') })
      expect(fs.existsSync(path.join(foreign, 'store'))).toBe(true)
    })

    const cleanEnvironment = () => ({
      PATH: process.env['PATH'],
      HOME: directory,
      KUBECONFIG: path.join(directory, 'other-kubeconfig'),
      NO_COLOR: '1',
      SIGNPOST_BUILT: '1',
    })

    describe('refused with one line and exit code 1', () => {
      const refused = async (args: readonly string[]): Promise<Finished> => {
        const env = {
          PATH: process.env['PATH'],
          HOME: directory,
          KUBECONFIG: path.join(directory, 'refused-kubeconfig'),
          NO_COLOR: '1',
          SIGNPOST_BUILT: '1',
        }
        return run(process.execPath, [program, 'up', ...args], env)
      }
      const oneLine = (text: RegExp) => ({
        code: 1,
        stderr: expect.stringMatching(new RegExp(`^error: ${text.source}[^\\n]*\\n$`)),
      })

      it('a port that is taken', async () => {
        const server = net.createServer().listen(0, '127.0.0.1')
        await new Promise((resolve) => server.once('listening', resolve))
        const { port } = server.address() as net.AddressInfo
        const result = await refused([
          '--data-dir',
          path.join(directory, 'taken'),
          '--port',
          String(port),
        ])
        server.close()
        expect(result).toMatchObject(oneLine(/cannot listen on 127\.0\.0\.1:\d+: it is taken/))
      })

      it('a data directory that is damaged', async () => {
        const data = path.join(directory, 'damaged')
        fs.mkdirSync(path.join(data, 'store'), { recursive: true })
        fs.writeFileSync(path.join(data, 'store', 'data.mdb'), Buffer.alloc(8192, 7))
        expect(await refused(['--data-dir', data, '--port', '0'])).toMatchObject(
          oneLine(/cannot open/),
        )
      })

      it('a directory that cannot be written', async () => {
        expect(await refused(['--data-dir', '/proc/nowhere', '--port', '0'])).toMatchObject(
          oneLine(/cannot create "\/proc\/nowhere"/),
        )
      })

      it('a name that is none', async () => {
        expect(await refused(['--name', 'Nö'])).toMatchObject(oneLine(/cannot use the name/))
      })
    })
  },
  120_000,
)

const commandLine = (pid: number) => {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

const isZombie = (pid: number) => {
  try {
    return / Z /.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return true
  }
}
