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
  const kit = kitOf(context)
  return [...ownImages(kit, context), ...shells(kit), ...servers(kit)]
}

type Run = Pick<BuiltinImage, 'entrypoint' | 'cmd'>

/** How the images below are made of this program and of the host's tools. */
interface Kit {
  readonly shell: string
  readonly dns: readonly string[]
  /** Shows this program inside. */
  readonly mounts: readonly ContainerMount[]
  server(kind: string, ...args: string[]): readonly string[]
  /** Runs this program. */
  ours(name: string, repositories: readonly string[], entrypoint: readonly string[]): BuiltinImage
  /** Runs tools of the host. */
  tool(name: string, repositories: readonly string[], run: Run): BuiltinImage
}

function kitOf({ program, hasProgram }: ImageContext): Kit {
  const { execPath, execArgv } = program
  const mounts = [execPath, ...program.roots].map((path) => ({
    source: path,
    target: path,
    readOnly: true,
  }))
  // The loader of sources would write to /tmp, which may be read-only.
  const env: Record<string, string> = execArgv.length > 0 ? { TSX_DISABLE_CACHE: '1' } : {}
  return {
    mounts,
    shell: hasProgram('bash') ? 'bash' : 'sh',
    // Lists of the first sync are short-lived: a larger young generation would only stay resident.
    dns: [execPath, '--max-semi-space-size=2', ...execArgv, program.entry, 'dns'],
    server: (kind, ...args) => [execPath, ...smallHeap, ...execArgv, builtinEntry, kind, ...args],
    ours: (name, repositories, entrypoint) => ({
      ...{ name, repositories, entrypoint, cmd: [], mounts, env, own: false },
    }),
    tool: (name, repositories, run) => ({ name, repositories, ...run, mounts: [], own: false }),
  }
}

const entry = (...entrypoint: string[]): Run => ({ entrypoint, cmd: [] })
const command = (...cmd: string[]): Run => ({ entrypoint: [], cmd })

/** Their names are ours: nothing is substituted. */
function ownImages(kit: Kit, { program, hasProgram }: ImageContext): BuiltinImage[] {
  const curl = hasProgram('curl')
    ? []
    : [{ source: curlScript, target: '/usr/local/bin/curl', readOnly: true }]
  const images = [
    {
      // Stays until it is told to end, so that commands can be run in it.
      ...kit.tool('shell', ['docker.io/signpost/shell'], command(...pause)),
      mounts: [...kit.mounts, ...curl],
      env: {
        SIGNPOST_NODE: program.execPath,
        SIGNPOST_NODE_ARGS: program.execArgv.join(' '),
        SIGNPOST_BUILTIN: builtinEntry,
      },
    },
    kit.ours('echo', ['docker.io/signpost/echo'], kit.server('echo')),
    kit.ours('coredns', ['docker.io/signpost/coredns'], kit.dns),
  ]
  return images.map((image) => ({ ...image, own: true }))
}

function shells({ tool, shell }: Kit): BuiltinImage[] {
  const tests = 'registry.k8s.io/e2e-test-images'
  return [
    tool('pause', ['registry.k8s.io/pause', 'k8s.gcr.io/pause'], entry(...pause)),
    tool('shell', library('busybox', 'alpine'), command('sh')),
    tool('shell', library('debian', 'ubuntu', 'bash', 'fedora'), command(shell)),
    tool('shell', ['docker.io/nicolaka/netshoot', `${tests}/busybox`], command('sh')),
    tool('shell', [`${tests}/jessie-dnsutils`], command('sleep', 'infinity')),
    tool('curl', ['docker.io/curlimages/curl', 'docker.io/alpine/curl'], entry('curl')),
  ]
}

function servers({ ours, server, dns }: Kit): BuiltinImage[] {
  const agnhost = ['registry.k8s.io/e2e-test-images/agnhost']
  const whoami = ['docker.io/traefik/whoami', 'docker.io/containous/whoami']
  const unprivileged = ['docker.io/nginxinc/nginx-unprivileged']
  const nginxFiles = '/usr/share/nginx/html'
  return [
    ours('coredns', ['registry.k8s.io/coredns/coredns', 'docker.io/coredns/coredns'], dns),
    { ...ours('agnhost', agnhost, server('agnhost')), cmd: ['pause'] },
    ours('http-echo', ['docker.io/hashicorp/http-echo'], server('http-echo')),
    ours('whoami', whoami, server('whoami')),
    ours('web', library('nginx'), server('web', '80', nginxFiles)),
    ours('web', library('httpd'), server('web', '80', '/usr/local/apache2/htdocs')),
    ours('web', unprivileged, server('web', '8080', nginxFiles)),
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
