// The examples' READMEs, command by command, with a real kubectl on a real cluster; and what a page
// cannot show: terminals, streams that stay open, ports on the host.
import { spawn } from 'node:child_process'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { spawn as spawnPty } from '@lydell/node-pty'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TestCluster } from '../support/cluster.ts'
import { eventually, startTestCluster } from '../support/cluster.ts'
import { consoleSteps, matches } from '../support/console.ts'
import { namespacesForbidden } from '../support/namespaces.ts'
import { tools } from '../support/tools.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const forbidden = namespacesForbidden()
/** A connection of its own: kept-alive ones outlive a Service, here as in Kubernetes. */
const fresh = { headers: { connection: 'close' } }
const skipped = forbidden ? ` (skipped: ${forbidden})` : ''

describe.skipIf(forbidden)(
  `examples/01-first-service${skipped}`,
  () => {
    let cluster: TestCluster
    beforeAll(async () => {
      cluster = await startTestCluster({ args: ['--port', '0'] })
    })
    afterAll(() => cluster.stop())
    const inRoot = (command: string) => cluster.shell(`cd '${root}' && ${command}`)

    for (const step of consoleSteps(path.join(root, 'examples/01-first-service/README.md'))) {
      it(`line ${step.line}: ${step.command}`, async () => {
        const { stdout, stderr } = await inRoot(step.command)
        const shown = matches(step.expected, stdout)
        expect(shown, `expected:\n${step.expected.join('\n')}\n\ngot:\n${stdout}\n${stderr}`).toBe(
          true,
        )
      }, 90_000)
    }
  },
  120_000,
)

describe.skipIf(forbidden)(
  `kubectl on the node${skipped}`,
  () => {
    let cluster: TestCluster
    beforeAll(async () => {
      cluster = await startTestCluster({ args: ['--port', '0'] })
      await cluster.shell(`kubectl apply -k '${root}/examples/01-first-service'`)
      for (const name of ['echo', 'client'])
        await cluster.kubectl('rollout', 'status', `deployment/${name}`)
    })
    afterAll(() => cluster.stop())

    it('exec -it has a terminal of the right size and passes the exit code', async () => {
      const output = await new Promise<string>((resolve) => {
        let text = ''
        const terminal = spawnPty(
          tools().kubectl,
          [
            'exec',
            '-it',
            'deploy/client',
            '--',
            'sh',
            '-c',
            'until stty size | grep -v "^0 0"; do :; done; tty; exit 7',
          ],
          {
            cols: 91,
            rows: 33,
            env: cluster.environment as Record<string, string>,
          },
        )
        terminal.onData((data) => (text += data))
        terminal.onExit(({ exitCode }) => resolve(`${text}code ${exitCode}`))
      })
      expect(output).toMatch(/33 91\s+\/dev\/pts\/\d+[\s\S]*code 7/)
    })

    it('exec passes stdin, stdout and stderr apart', async () => {
      const result = await cluster.shell(
        `head -c 3000000 /dev/zero | kubectl exec -i deploy/client -- sh -c 'wc -c; echo oops >&2; exit 3'`,
      )
      expect(result).toMatchObject({
        code: 3,
        stdout: expect.stringMatching(/^\s*3000000\n$/),
        stderr: expect.stringContaining('oops'),
      })
    })

    it('logs -f shows lines as they are written, until it is ended', async () => {
      const child = spawn(
        tools().kubectl,
        ['logs', '-f', '-l', 'app=echo', '--prefix', '--tail=1'],
        { env: cluster.environment },
      )
      let text = ''
      child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
      await eventually(async () => {
        await cluster.kubectl(
          'exec',
          'deploy/client',
          '--',
          'curl',
          '-s',
          'http://echo/seen-in-the-log',
        )
        expect(text).toContain('/seen-in-the-log')
      })
      child.kill()
    })

    it('port-forward carries many connections to a Service', async () => {
      const child = spawn(tools().kubectl, ['port-forward', 'service/echo', ':80'], {
        env: cluster.environment,
      })
      const port = await new Promise<number>((resolve) =>
        child.stdout.on('data', (chunk: Buffer) => {
          const found = /127\.0\.0\.1:(\d+) ->/.exec(chunk.toString())
          if (found) resolve(Number(found[1]))
        }),
      )
      const answers = await Promise.all(
        Array.from({ length: 50 }, async () => (await fetch(`http://127.0.0.1:${port}/`)).text()),
      )
      child.kill()
      expect(answers.every((answer) => answer.startsWith('pod=echo-'))).toBe(true)
    })

    it('a NodePort answers on the host, for TCP and UDP, and is closed with its Service', async () => {
      const created = await cluster.shell(
        `kubectl expose deployment echo --name=outside --type=NodePort --port=80 --target-port=8080 -o jsonpath='{.spec.ports[0].nodePort}'`,
      )
      const port = Number(created.stdout)
      await eventually(async () =>
        expect(await (await fetch(`http://127.0.0.1:${port}/`, fresh)).text()).toMatch(
          /^pod=echo-/,
        ),
      )
      await cluster.kubectl('delete', 'service', 'outside')
      await eventually(async () =>
        expect(fetch(`http://127.0.0.1:${port}/`, fresh)).rejects.toThrow(),
      )
    })

    it('a Corefile that is edited is served without a restart', async () => {
      const edit = `kubectl -n kube-system get configmap coredns -o yaml | sed 's/^    \\.:53 {/&\\n        hosts {\\n          203.0.113.9 told.example\\n          fallthrough\\n        }/' | kubectl apply -f -`
      await cluster.shell(edit)
      await eventually(
        async () => {
          const { stdout } = await cluster.kubectl(
            'exec',
            'deploy/client',
            '--',
            'getent',
            'hosts',
            'told.example',
          )
          expect(stdout).toMatch(/^203\.0\.113\.9/)
        },
        75_000,
        1000,
      )
    }, 90_000)

    it('refuses bad input in Kubernetes’ words, and keeps nothing of it', async () => {
      const apply = (yaml: string) => cluster.shell(`kubectl apply -f - <<'Y'\n${yaml}\nY`)
      const service = (spec: string) =>
        `apiVersion: v1\nkind: Service\nmetadata: {name: bad}\nspec: ${spec}`
      const cases: readonly [string, RegExp][] = [
        ['a: [1,\n', /error parsing|did not find expected|error converting YAML/],
        [
          service('{ports: [{port: 80}], colour: red}'),
          /strict decoding error: unknown field "spec\.colour"/,
        ],
        [
          service('{ports: [{port: eighty}]}'),
          /cannot unmarshal string into Go struct field|invalid/i,
        ],
        [
          service('{ports: [{port: 70000}]}'),
          /spec\.ports\[0\]\.port: Invalid value: 70000: must be between 1 and 65535, inclusive/,
        ],
        [
          service('{clusterIP: 10.96.0.10, ports: [{port: 80}]}'),
          /provided IP is already allocated/,
        ],
        [
          'apiVersion: gone.example/v1\nkind: Thing\nmetadata: {name: x}',
          /no matches for kind "Thing" in version "gone.example\/v1"/,
        ],
      ]
      for (const [yaml, message] of cases) {
        const { code, stderr } = await apply(yaml)
        expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(message) })
      }
      expect((await cluster.kubectl('get', 'service', 'bad')).code).toBe(1)
    })
  },
  120_000,
)
