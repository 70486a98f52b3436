// Real Pods on a real kubelet. Run in a fresh network namespace, as root there; prints one JSON
// object {name, error?} for each scenario. test/e2e/kubelet.test.ts starts it and reports.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { configmaps, nodes, pods, secrets } from '../../../src/api/resources.gen.ts'
import { SpdySession } from '../../../src/kubelet/spdy.ts'
import { Routing } from '../../../src/linux/rtnetlink.ts'
import { appStatus, isReady, nodeIP, World } from './kubelet-world.ts'

type Scenario = (world: World) => Promise<void>

const namespace = 'default'
/** Ends at SIGTERM, as a program should; as pid 1 nothing does so by default. */
const idle = 'trap "exit 0" TERM; while :; do sleep 1000 & wait $!; done'

const scenarios: Readonly<Record<string, Scenario>> = {
  'the node is registered, ready, and has its lease': async ({ client }) => {
    const node = await client.resource(nodes).get({ name: 'n1' })
    const ready = node.status?.conditions?.find(({ type }) => type === 'Ready')
    assert.equal(ready?.status, 'True')
    assert.deepEqual(node.status?.addresses?.[0], { type: 'InternalIP', address: nodeIP })
  },

  'a Pod runs in namespaces of its own, with its names, addresses and environment': async (
    world,
  ) => {
    await world.run(
      'own',
      `hostname; cat /etc/resolv.conf /etc/hosts; env; echo pid $$$$; ${idle}`,
      {
        hostname: 'web-0',
        subdomain: 'web',
      },
    )
    const pod = await world.ready('own')
    const ip = pod.status?.podIP ?? ''
    const log = await world.logUntil('own', /^pid/m)
    assert.match(ip, /^10\.244\.0\.\d+$/)
    assert.match(log, /^web-0\n/)
    assert.match(log, /search default\.svc\.cluster\.local svc\.cluster\.local cluster\.local\n/)
    assert.match(log, /nameserver 10\.96\.0\.10\noptions ndots:5\n/)
    assert.ok(log.includes(`${ip}\tweb-0.web.default.svc.cluster.local\tweb-0\n`))
    assert.match(log, /^KUBERNETES_SERVICE_HOST=10\.96\.0\.1$/m)
    assert.match(log, /^pid 1$/m)
    assert.doesNotMatch(log, /^(NODE_|SP_|npm_)/m)
    const shm = await world.exec('own', ['stat', '-c', '%a', '/dev/shm'])
    assert.equal(shm.stdout, '1777\n')
    const links = await world.exec('own', ['ls', '/sys/class/net'])
    assert.equal(links.stdout, 'eth0\nlo\n')
  },

  'writes stay inside the Pod': async (world) => {
    await world.run('inside', `touch /usr/signpost-was-here /etc/signpost-was-here /tmp/x; ${idle}`)
    await world.ready('inside')
    const { stdout } = await world.exec('inside', ['ls', '/usr/signpost-was-here'])
    assert.equal(stdout, '/usr/signpost-was-here\n')
    assert.ok(!existsSync('/usr/signpost-was-here') && !existsSync('/etc/signpost-was-here'))
  },

  "a Pod neither changes nor reads the host's part of /proc unless it is privileged": async (
    world,
  ) => {
    const container = { name: 'app', image: 'busybox', command: ['sh', '-c', idle] }
    const securityContext = { privileged: true }
    await world.run('guarded', container)
    await world.run('privileged', { ...container, securityContext })
    await world.ready('guarded')
    await world.ready('privileged')
    const mounts = async (pod: string) => {
      const { stdout } = await world.exec(pod, ['cat', '/proc/self/mounts'])
      const lines = stdout.split('\n').map((line) => line.split(' '))
      return new Map(lines.map(([, target = '', , options = '']) => [target, options]))
    }
    const guarded = await mounts('guarded')
    for (const path of ['/proc/sys', '/proc/bus', '/proc/fs', '/proc/irq', '/sys']) {
      assert.match(guarded.get(path) ?? '', /^ro,/, path)
    }
    // The value that is there: should the write succeed after all, nothing changes.
    const write = 'v=$(cat /proc/sys/kernel/printk) && echo "$v" > /proc/sys/kernel/printk'
    const written = await world.exec('guarded', ['sh', '-c', write])
    assert.match(written.stderr, /Read-only file system/)
    assert.equal((await world.exec('guarded', ['cat', '/proc/keys'])).stdout, '')
    assert.equal((await world.exec('guarded', ['ls', '/sys/firmware'])).stdout, '')
    const open = await mounts('privileged')
    assert.ok(!open.has('/proc/sys') && !open.has('/sys/firmware'))
    assert.match(open.get('/sys') ?? '', /^rw,/)
  },

  'root in a Pod has the capabilities its spec leaves it, in an exec too': async (world) => {
    const show = `grep -E "^(CapEff|CapBnd|NoNewPrivs)" /proc/self/status; ${idle}`
    const run = async (name: string, securityContext: object) => {
      const container = { name: 'app', image: 'busybox', command: ['sh', '-c', show] }
      await world.run(name, { ...container, securityContext })
      await world.ready(name)
      const { stdout } = await world.exec(name, ['sh', '-c', show.split(';')[0]!])
      assert.equal(stdout, await world.logUntil(name, /NoNewPrivs.*\n/))
      return stdout.split(/\s+/).filter((_, index) => index % 2 === 1)
    }
    const usual = '00000000a80425fb'
    assert.deepEqual(await run('caps', {}), [usual, usual, '0'])
    const one = { capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] } }
    const bind = '0000000000000400'
    const dropped = await run('caps-one', { ...one, allowPrivilegeEscalation: false })
    assert.deepEqual(dropped, [bind, bind, '1'])
    const own = /CapBnd:\s*(\w+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
    assert.deepEqual(await run('caps-all', { privileged: true }), [own, own, '0'])
  },

  'Pods and the node reach each other by address': async (world) => {
    const probe = { httpGet: { path: '/readyz', port: 'http' } }
    const ports = [{ containerPort: 8080, name: 'http' }]
    await world.run('echo', { image: 'signpost/echo', ports, readinessProbe: probe })
    const echo = await world.ready('echo')
    await world.run('client', idle)
    const client = await world.ready('client')
    const url = `http://${echo.status?.podIP}:8080/`
    const ask = `fetch("${url}").then((r) => r.text()).then((t) => process.stdout.write(t))`
    const asked = await world.exec('client', [process.execPath, '-e', ask])
    const line = (source = '') => `pod=echo namespace=default node=n1 source=${source}\n`
    assert.equal(asked.stdout, line(client.status?.podIP))
    assert.equal(await (await fetch(url)).text(), line(nodeIP))
  },

  'a readiness probe turns the Pod unready and ready again': async (world) => {
    const readinessProbe = {
      httpGet: { path: '/readyz', port: 8080 },
      periodSeconds: 1,
      failureThreshold: 1,
    }
    await world.run('flip', { image: 'signpost/echo', readinessProbe })
    await world.ready('flip')
    await world.exec('flip', ['touch', '/tmp/unready'])
    const pod = await world.until('flip', (seen) => !isReady(seen))
    assert.equal(pod.status?.phase, 'Running')
    await world.exec('flip', ['rm', '/tmp/unready'])
    await world.ready('flip')
    assert.ok((await world.eventReasons('flip')).includes('Unhealthy'))
  },

  'exec passes exit code, stderr, 10 MiB of stdin, and a terminal with its size (C75)': async (
    world,
  ) => {
    await world.run('exec', idle)
    await world.ready('exec')
    const failed = await world.exec('exec', ['sh', '-c', 'echo out; echo err >&2; exit 7'])
    assert.deepEqual([failed.stdout, failed.stderr], ['out\n', 'err\n'])
    assert.deepEqual(failed.status.details, { causes: [{ reason: 'ExitCode', message: '7' }] })
    const stdin = randomBytes(10 * 1024 * 1024)
    const sum = await world.exec('exec', ['sha256sum'], { stdin })
    assert.equal(sum.stdout.split(' ')[0], createHash('sha256').update(stdin).digest('hex'))
    const tty = { columns: 120, rows: 33 }
    // The size arrives by a message of its own, a moment after the program began.
    const wait = 'until [ "$(stty size)" = "33 120" ]; do sleep 0.01; done; stty size; tty'
    const terminal = await world.exec('exec', ['sh', '-c', wait], { tty })
    assert.match(terminal.stdout, /^33 120\r\n\/dev\/pts\/\d+\r\n$/)
    await assert.rejects(world.exec('nobody', ['true']), /answered 404/)
  },

  'port-forward reaches what listens on loopback only, 50 at once (C76)': async (world) => {
    const serve = `require("http").createServer((q, r) => r.end("local")).listen(8000, "127.0.0.1", () => console.log("up"))`
    await world.run('loop', {
      image: 'node',
      command: [process.execPath, '-e', serve],
      readinessProbe: { exec: { command: ['sh', '-c', 'grep -q :1F40 /proc/net/tcp'] } },
    })
    await world.ready('loop')
    const session = new SpdySession(await world.forward('loop'), 'client', () => {})
    const one = async (index: number) => {
      const headers = { port: '8000', requestid: String(index) }
      const error = await session.open({ streamtype: 'error', ...headers })
      error.end()
      const data = await session.open({ streamtype: 'data', ...headers })
      let text = ''
      data.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8')
      })
      data.end('GET / HTTP/1.0\r\n\r\n')
      await new Promise((resolve) => data.once('end', resolve))
      return text.split('\r\n\r\n')[1]
    }
    const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => one(index)))
    session.close()
    assert.deepEqual(new Set(answers), new Set(['local']))
  },

  'a command that is not there is a StartError, and nothing of the tools is logged (C80)': async (
    world,
  ) => {
    await world.run(
      'nocmd',
      { image: 'busybox', command: ['no-such-command'] },
      { restartPolicy: 'Never' },
    )
    const pod = await world.until('nocmd', (seen) => seen?.status?.phase === 'Failed')
    const ended = appStatus(pod)?.state?.terminated
    assert.deepEqual([ended?.exitCode, ended?.reason], [128, 'StartError'])
    assert.equal(ended?.message, 'exec: "no-such-command": executable file not found in $PATH')
    assert.equal(await world.logs('nocmd'), '')
  },

  'a container that crashes is restarted, then waited with; its last words and logs stay': async (
    world,
  ) => {
    await world.run('crash', 'echo run; echo bye > /dev/termination-log; exit 3')
    const waiting = (reason: string) => (seen: Parameters<typeof appStatus>[0]) =>
      appStatus(seen)?.state?.waiting?.reason === reason
    const pod = await world.until('crash', waiting('CrashLoopBackOff'))
    const status = appStatus(pod)
    assert.equal(status?.restartCount, 1)
    const last = status?.lastState?.terminated
    assert.deepEqual([last?.exitCode, last?.reason, last?.message], [3, 'Error', 'bye\n'])
    assert.equal(await world.logs('crash', 'previous=true'), 'run\n')
  },

  'deletion: SIGTERM ignored is SIGKILL after the grace, told before the object goes (C70, C72)':
    async (world) => {
      await world.run('stubborn', 'trap "" TERM; while :; do sleep 1; done')
      const { metadata } = await world.ready('stubborn')
      const watched: string[] = []
      const begunMs = Date.now()
      const options = { namespace, fieldSelector: 'metadata.name=stubborn' }
      const watch = world.client
        .resource(pods)
        .watch({ ...options, resourceVersion: metadata.resourceVersion ?? '' })
      await world.delete('stubborn', 3)
      for await (const { type, object } of watch) {
        const code = appStatus(object)?.state?.terminated?.exitCode
        watched.push(`${type} ${object.status?.phase} ${code ?? ''} ${isReady(object)}`)
        if (type === 'DELETED') break
      }
      const tookMs = Date.now() - begunMs
      assert.ok(tookMs >= 2900 && tookMs < 5000, `took ${tookMs} ms`)
      assert.ok(watched.includes('MODIFIED Failed 137 false'), watched.join('\n'))
    },

  'init containers run in order, a sidecar beside them and the app, ending after it (C69)': async (
    world,
  ) => {
    const say = (name: string, text: string) => ({
      name,
      image: 'busybox',
      command: ['sh', '-c', `echo ${name} >> /d/log; ${text}`],
      volumeMounts: [{ name: 'd', mountPath: '/d' }],
    })
    const quit =
      'trap "echo s-ended >> /d/log; exit 0" TERM; while :; do sleep 1000 & wait $!; done'
    await world.run('job', say('app', 'cat /d/log'), {
      restartPolicy: 'Never',
      volumes: [{ name: 'd', emptyDir: {} }],
      initContainers: [
        say('a', ':'),
        { ...say('s', quit), restartPolicy: 'Always' },
        say('b', ':'),
      ],
    })
    const pod = await world.until('job', (seen) => seen?.status?.phase === 'Succeeded')
    assert.equal(await world.logs('job'), 'a\ns\nb\napp\n')
    const sidecar = pod.status?.initContainerStatuses?.find(({ name }) => name === 's')
    assert.equal(sidecar?.state?.terminated?.exitCode, 0)
  },

  'a ConfigMap volume follows its object; an emptyDir outlives a restart (C58, C60)': async (
    world,
  ) => {
    await world.configMap('config', { key: 'one' })
    const volumeMounts = [
      { name: 'c', mountPath: '/usr/share/made/config' },
      { name: 'e', mountPath: '/e' },
    ]
    const script =
      'echo x >> /e/starts; [ "$(wc -l < /e/starts)" -ge 2 ] || exit 1; while :; do sleep 1000; done'
    await world.run(
      'volumes',
      { image: 'busybox', command: ['sh', '-c', script], volumeMounts },
      {
        volumes: [
          { name: 'c', configMap: { name: 'config' } },
          { name: 'e', emptyDir: {} },
        ],
      },
    )
    await world.until('volumes', (seen) => appStatus(seen)?.restartCount === 1 && isReady(seen))
    const path = '/usr/share/made/config/key'
    assert.equal((await world.exec('volumes', ['cat', path])).stdout, 'one')
    const patch = { type: 'merge', body: { data: { key: 'two' } } } as const
    await world.client.resource(configmaps).patch({ namespace, name: 'config' }, patch)
    const poll = `until [ "$(cat ${path})" = two ]; do sleep 0.02; done; echo seen`
    assert.equal((await world.exec('volumes', ['timeout', '2', 'sh', '-c', poll])).stdout, 'seen\n')
  },

  'a missing Secret holds a container back until it is there (C59)': async (world) => {
    const env = [{ name: 'S', valueFrom: { secretKeyRef: { name: 'late', key: 'k' } } }]
    await world.run('late', { image: 'busybox', command: ['sh', '-c', `echo "$S"; ${idle}`], env })
    await world.until(
      'late',
      (seen) => appStatus(seen)?.state?.waiting?.reason === 'CreateContainerConfigError',
    )
    const metadata = { namespace, name: 'late' }
    await world.put(secrets, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata,
      stringData: { k: 'v' },
    } as never)
    await world.ready('late')
    assert.equal(await world.logUntil('late', /\n/), 'v\n')
  },

  'an image nobody has is ErrImagePull with remedies, until it is mapped (C78)': async (world) => {
    await world.run('unknown', { image: 'example.org/thing:1' })
    const pod = await world.until(
      'unknown',
      (seen) => appStatus(seen)?.state?.waiting?.reason === 'ErrImagePull',
    )
    const message = appStatus(pod)?.state?.waiting?.message ?? ''
    assert.match(message, /example\.org\/thing:1.*signpost-images/)
    await world.until(
      'unknown',
      (seen) => appStatus(seen)?.state?.waiting?.reason === 'ImagePullBackOff',
    )
    const list = '- image: example.org/*\n  host: true\n  entrypoint: [sleep, "1000"]\n'
    await world.configMap('signpost-images', { 'images.yaml': list }, 'kube-system')
    const running = await world.ready('unknown')
    assert.equal(appStatus(running)?.imageID, 'map://example.org/thing:1')
  },

  'containers of a Pod share processes when it asks for that': async (world) => {
    const beside = { name: 'beside', image: 'busybox', command: ['sh', '-c', idle] }
    const container = { name: 'app', image: 'busybox', command: ['sleep', '4242'] }
    await world.run('shared', idle, {
      shareProcessNamespace: true,
      containers: [container, beside],
    })
    await world.ready('shared')
    const find =
      'for p in /proc/[0-9]*; do tr "\\0" " " < $p/cmdline; echo; done | grep -c "^sleep 4242"'
    assert.equal((await world.exec('shared', ['sh', '-c', find])).stdout, '1\n')
    await world.delete('shared', 1)
    await world.until('shared', (seen) => seen === undefined)
  },

  'a stopped kubelet leaves nothing behind, and its Pods come back with the next': async (
    world,
  ) => {
    const before = await world.ready('own')
    await world.kubelet.stop()
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    assert.ok(!mounts.includes(world.directory), mounts)
    await linksAreGone()
    const others = readdirSync('/proc').filter(
      (name) => /^\d+$/.test(name) && name !== String(process.pid),
    )
    const commands = others.map((pid) =>
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '),
    )
    assert.deepEqual(
      commands.filter((text) => text !== '' && !text.includes('esbuild')),
      [],
    )
    await world.startKubelet()
    const again = (seen: typeof before | undefined) =>
      appStatus(seen)?.restartCount === 1 && isReady(seen)
    const after = await world.until('own', again)
    assert.equal(appStatus(after)?.lastState?.terminated?.reason, 'ContainerStatusUnknown')
    assert.equal(after.metadata.uid, before.metadata.uid)
  },

  'a deleted Pod gives everything back': async (world) => {
    const { items } = await world.client.resource(pods).list({ namespace })
    await Promise.all(items.map(({ metadata }) => world.delete(metadata.name, 1)))
    for (const { metadata } of items) await world.until(metadata.name, (seen) => seen === undefined)
    await linksAreGone()
    assert.deepEqual(readdirSync(`${world.directory}/state/pods`), [])
    assert.deepEqual(readdirSync(`${world.directory}/state/logs/pods`), [])
  },
}

/** The kernel takes them away with their namespaces, a moment later. */
async function linksAreGone(): Promise<void> {
  const routing = new Routing()
  const untilMs = Date.now() + 3000
  while (routing.links().length > 1 && Date.now() < untilMs) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.deepEqual(
    routing.links().map(({ name }) => name),
    ['lo'],
  )
  routing.close()
}

async function main(): Promise<void> {
  const world = await World.make()
  const wanted = process.argv[3]
  for (const [name, run] of Object.entries(scenarios)) {
    if (wanted && !name.includes(wanted)) continue
    const error = await run(world).then(
      () => undefined,
      (cause: Error) => cause.stack ?? cause.message,
    )
    process.stdout.write(`${JSON.stringify({ name, ...(error ? { error } : {}) })}\n`)
  }
  await world.stop()
  process.exit(0)
}

/** The kubelet mounts and counts processes: it wants namespaces for these too. */
function enter(): void {
  const namespaces = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
  const self = [
    process.execPath,
    '--import',
    'tsx',
    process.argv[1]!,
    'inside',
    ...process.argv.slice(2),
  ]
  const child = spawn('unshare', [...namespaces, ...self], { stdio: 'inherit' })
  child.on('exit', (code) => process.exit(code ?? 1))
}

if (process.argv[2] === 'inside') await main()
else enter()
