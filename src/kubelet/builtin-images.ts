// The images that need no registry: which names they answer to, and what they run.
import { fileURLToPath } from 'node:url'
import type { ImageContext } from './image.ts'
import type { ContainerMount } from './runtime.ts'

export interface BuiltinImage {
  readonly name: string
  readonly repositories: readonly string[]
  readonly entrypoint: readonly string[]
  readonly cmd: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly mounts: readonly ContainerMount[]
  /** Its name is ours, so that running it is no substitution. */
  readonly own: boolean
}

const library = (...names: string[]) => names.map((name) => `docker.io/library/${name}`)

/** Ends at SIGTERM, as pause does; `sleep` as pid 1 would ignore it. */
const pause = ['sh', '-c', 'trap "exit 0" TERM INT; while :; do sleep 2147483647 & wait $!; done']

/** Small V8 heaps: these servers hold next to nothing. */
const smallHeap = ['--max-old-space-size=32', '--max-semi-space-size=1', '--v8-pool-size=0']

export function builtinImages(context: ImageContext): readonly BuiltinImage[] {
  const { program } = context
  const mounts = [program.execPath, ...program.roots].map((path) => ({
    source: path,
    target: path,
    readOnly: true,
  }))
  // The loader of sources would write to /tmp, which may be read-only.
  const env: Record<string, string> = program.execArgv.length > 0 ? { TSX_DISABLE_CACHE: '1' } : {}
  const server = (kind: string) => [
    program.execPath,
    ...smallHeap,
    ...program.execArgv,
    builtinEntry,
    kind,
  ]
  // Lists of the first sync are short-lived: a larger young generation would only stay resident.
  const dns = [
    program.execPath,
    '--max-semi-space-size=2',
    ...program.execArgv,
    program.entry,
    'dns',
  ]
  const tool = (
    name: string,
    repositories: string[],
    run: Pick<BuiltinImage, 'entrypoint' | 'cmd'>,
  ) => ({
    ...{ name, repositories, ...run, mounts: [], own: false },
  })
  const entry = (...entrypoint: string[]) => ({ entrypoint, cmd: [] })
  const command = (...cmd: string[]) => ({ entrypoint: [], cmd })
  const ours = (name: string, repositories: string[], entrypoint: readonly string[]) => ({
    ...{ name, repositories, entrypoint, cmd: [], mounts, env, own: false },
  })
  const shell = context.hasProgram('bash') ? 'bash' : 'sh'
  const curl = context.hasProgram('curl')
    ? []
    : [{ source: curlScript, target: '/usr/local/bin/curl', readOnly: true }]
  return [
    {
      ...tool('shell', ['docker.io/signpost/shell'], command(shell)),
      mounts: [...mounts, ...curl],
      env: {
        SIGNPOST_NODE: program.execPath,
        SIGNPOST_NODE_ARGS: program.execArgv.join(' '),
        SIGNPOST_BUILTIN: builtinEntry,
      },
      own: true,
    },
    { ...ours('echo', ['docker.io/signpost/echo'], server('echo')), own: true },
    { ...ours('coredns', ['docker.io/signpost/coredns'], dns), own: true },
    ours('coredns', ['registry.k8s.io/coredns/coredns', 'docker.io/coredns/coredns'], dns),
    tool('pause', ['registry.k8s.io/pause', 'k8s.gcr.io/pause'], { entrypoint: pause, cmd: [] }),
    tool('shell', library('busybox', 'alpine'), command('sh')),
    tool('shell', library('debian', 'ubuntu', 'bash', 'fedora'), command(shell)),
    tool(
      'shell',
      ['docker.io/nicolaka/netshoot', 'registry.k8s.io/e2e-test-images/busybox'],
      command('sh'),
    ),
    tool(
      'shell',
      ['registry.k8s.io/e2e-test-images/jessie-dnsutils'],
      command('sleep', 'infinity'),
    ),
    tool('curl', ['docker.io/curlimages/curl', 'docker.io/alpine/curl'], entry('curl')),
    {
      ...ours('agnhost', ['registry.k8s.io/e2e-test-images/agnhost'], server('agnhost')),
      cmd: ['pause'],
    },
    ours('http-echo', ['docker.io/hashicorp/http-echo'], server('http-echo')),
    ours('whoami', ['docker.io/traefik/whoami', 'docker.io/containous/whoami'], server('whoami')),
    ours('web', library('nginx'), [...server('web'), '80', '/usr/share/nginx/html']),
    ours('web', library('httpd'), [...server('web'), '80', '/usr/local/apache2/htdocs']),
    ours(
      'web',
      ['docker.io/nginxinc/nginx-unprivileged'],
      [...server('web'), '8080', '/usr/share/nginx/html'],
    ),
  ]
}

/** The one program of all built-in servers, beside this file in the sources and in the package. */
const builtinEntry = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts') ? './builtin/main.ts' : './builtin/main.js',
    import.meta.url,
  ),
)

/** What the host may lack and the first example needs. */
const curlScript = fileURLToPath(new URL('../../libexec/curl', import.meta.url))
