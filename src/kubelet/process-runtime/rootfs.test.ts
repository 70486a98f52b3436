import { describe, expect, it } from 'vitest'
import type { ContainerMount, Privileges } from '../runtime.ts'
import { containerCommand, endingOf, execCommand, type Identity } from './launch.ts'
import {
  type FileKind,
  type HostView,
  type Lookup,
  planRootfs,
  type RootfsRequest,
} from './rootfs.ts'

const paths = { root: '/c/root', upper: '/c/upper', work: '/c/work', dev: '/n/dev', shm: '/n/shm' }
const view: HostView = {
  links: { bin: 'usr/bin' },
  overlays: ['usr', 'etc', 'var'],
  binds: [],
  userxattr: false,
  ownSysfs: true,
  guarded: [],
}

/** A host as a list of paths: "DIR/", "FILE", "LINK -> TARGET". */
function host(...entries: readonly string[]): Lookup {
  const kinds = new Map<string, FileKind>()
  const targets = new Map<string, string>()
  for (const entry of entries) {
    const [path = '', target] = entry.split(' -> ')
    const name = path.replace(/\/$/, '')
    kinds.set(name, target ? 'link' : path.endsWith('/') ? 'directory' : 'file')
    if (target) targets.set(name, target)
  }
  return { stat: (path) => kinds.get(path), readlink: (path) => targets.get(path)! }
}

const lookup = host(
  ...['/usr/', '/usr/share/', '/etc/', '/etc/hosts', '/var/', '/var/run -> /run', '/vol/', '/file'],
  ...[
    '/etc/resolv.conf -> ../run/systemd/resolv.conf',
    '/etc/loop -> loop',
    '/n/dev/termination-log',
  ],
)

function plan(mounts: readonly ContainerMount[], more: Partial<RootfsRequest> = {}) {
  return planRootfs(
    { view, paths, rootfs: undefined, privileged: false, mounts, files: {}, ...more },
    lookup,
  )
}

const mount = (source: string, target: string, readOnly = false) => ({ source, target, readOnly })

describe('planRootfs() of the host view', () => {
  it('has one overlay for each top directory, never one for "/" (R11)', () => {
    const { mounts, links } = plan([])
    expect(mounts.filter(({ type }) => type === 'overlay').map(({ target }) => target)).toEqual([
      '/c/root/usr',
      '/c/root/etc',
      '/c/root/var',
    ])
    expect(links).toEqual({ '/c/root/bin': 'usr/bin' })
  })

  it('makes a missing mount point in the upper directory, its parents too (R12)', () => {
    const { directories, mounts } = plan([mount('/vol', '/usr/share/nginx/html', true)])
    expect(directories).toContain('/c/upper/usr/share')
    expect(directories).toContain('/c/upper/usr/share/nginx/html')
    expect(mounts.at(-1)).toMatchObject({
      source: '/vol',
      target: '/c/root/usr/share/nginx/html',
      options: ['rbind', 'ro'],
    })
  })

  it('follows links of the host before it mounts (R12: /var/run is /run)', () => {
    const { directories, mounts } = plan([mount('/vol', '/var/run/secrets')])
    expect(mounts.at(-1)?.target).toBe('/c/root/run/secrets')
    expect(directories).toContain('/c/root/run/secrets')
  })

  it('follows a relative link to a file, and makes the file it leads to', () => {
    const { files, mounts } = plan([mount('/file', '/etc/resolv.conf')])
    expect(mounts.at(-1)?.target).toBe('/c/root/run/systemd/resolv.conf')
    expect(files).toEqual({ '/c/root/run/systemd/resolv.conf': '' })
  })

  it('mounts over what is there without making anything', () => {
    const { files, mounts } = plan([mount('/file', '/etc/hosts')])
    expect([files, mounts.at(-1)?.target]).toEqual([{}, '/c/root/etc/hosts'])
  })

  it('does not leave the root by "..", and gives up on a loop of links', () => {
    expect(plan([mount('/vol', '/../../data')]).mounts.at(-1)?.target).toBe('/c/root/data')
    expect(plan([mount('/vol', '/etc/loop')]).mounts.at(-1)?.target).toBe('/c/root/etc/loop')
  })

  it('comes back by ".." to what is there, its links included', () => {
    const target = (path: string) => {
      const { mounts, directories } = plan([mount('/vol', path)])
      const outside = directories.filter((made) => !/^\/(c|n)\//.test(made) || made.includes('..'))
      return [mounts.at(-1)?.target, ...outside]
    }
    expect(target('/m/../../usr/bin/x')).toEqual(['/c/root/usr/bin/x'])
    expect(target('/m/../../bin/x')).toEqual(['/c/root/usr/bin/x'])
    expect(target('/m/../var/run/x')).toEqual(['/c/root/run/x'])
    expect(target('/m/../../../var/run/../../../x')).toEqual(['/c/root/x'])
  })

  it('mounts outer targets before inner ones', () => {
    const { mounts } = plan([mount('/vol', '/data/inner'), mount('/vol', '/data')])
    expect(mounts.slice(-2).map(({ target }) => target)).toEqual([
      '/c/root/data',
      '/c/root/data/inner',
    ])
  })

  it('gives the container files of its own', () => {
    const { files } = plan([], { files: { '/etc/hostname': 'web\n' } })
    expect(files).toEqual({ '/c/upper/etc/hostname': 'web\n' })
  })

  it('in a user namespace keeps overlay marks in user attributes and makes /var/lib writable', () => {
    const { directories, mounts } = plan([], { view: { ...view, userxattr: true } })
    expect(mounts.find(({ type }) => type === 'overlay')?.options).toContain('userxattr')
    expect(directories).toContain('/c/upper/var/lib')
  })
})

describe("the host's part of /proc and /sys", () => {
  const guarded = ['/proc/sys', '/proc/keys', '/sys/firmware']
  const there = host('/proc/sys/', '/proc/keys', '/sys/firmware/')
  const targets = (privileged: boolean, ownSysfs = true) => {
    const more = { view: { ...view, guarded, ownSysfs }, privileged }
    const request = { paths, rootfs: undefined, mounts: [], files: {}, ...more }
    return planRootfs(request, there)
      .mounts.filter(({ target }) => /\/(proc|sys)(\/|$)/.test(target))
      .map(({ source, target, options }) => `${source} ${target} ${options.join(',')}`)
  }
  const quiet = 'nosuid,nodev,noexec'

  it('is read-only or hidden', () => {
    expect(targets(false)).toEqual([
      `proc /c/root/proc ${quiet}`,
      `sysfs /c/root/sys ro,${quiet}`,
      `/c/root/proc/sys /c/root/proc/sys bind,ro,${quiet}`,
      '/n/dev/null /c/root/proc/keys bind',
      `tmpfs /c/root/sys/firmware ro,size=0,${quiet}`,
    ])
    expect(targets(false, false)).toContain(`/sys /c/root/sys rbind,ro,${quiet}`)
  })

  it('is open to a privileged container', () => {
    expect(targets(true)).toEqual([`proc /c/root/proc ${quiet}`, `sysfs /c/root/sys ${quiet}`])
  })
})

describe('planRootfs() of an image', () => {
  it('is one overlay over its directory', () => {
    const { mounts } = plan([mount('/vol', '/data')], { rootfs: '/images/x' })
    expect(mounts[0]).toMatchObject({ target: '/c/root', type: 'overlay' })
    expect(mounts[0]?.options[0]).toBe('lowerdir=/images/x')
    expect(mounts.some(({ source }) => source === '/usr')).toBe(false)
  })
})

const root = { uid: 0, gid: 0, groups: [] }
const chown = { from: 'none', except: ['CHOWN'] } as const

function identityOf(privileges: Partial<Privileges>, more: Partial<Identity> = {}): Identity {
  const usual = { privileged: false, capabilities: chown, noNewPrivileges: false }
  return { user: root, privileges: { ...usual, ...privileges }, setpriv: '/bin/setpriv', ...more }
}

describe('execCommand() (as the container itself)', () => {
  const check = (identity: Identity, expected: string) => {
    const words = execCommand(7, ['true'], identity)
    expect(words.slice(words.indexOf('--') + 1).join(' ')).toBe(expected)
  }
  const limits = '--bounding-set=-all,+chown --inh-caps=-all'

  it('limits what root can do', () => {
    check(identityOf({}), `/bin/setpriv ${limits} -- true`)
    const capabilities = { from: 'all', except: ['SYS_ADMIN'] } as const
    const allButOne = '--bounding-set=+all,-sys_admin --inh-caps=-all'
    check(identityOf({ capabilities }), `/bin/setpriv ${allButOne} -- true`)
    check(identityOf({ noNewPrivileges: true }), `/bin/setpriv ${limits} --no-new-privs -- true`)
    check(identityOf({ privileged: true }), 'true')
  })

  it('is the same user in the same groups', () => {
    const user = { uid: 1000, gid: 100, groups: [5, 6] }
    const ids = '--reuid=1000 --regid=100 --groups=5,6'
    check(identityOf({ privileged: true }, { user }), `/bin/setpriv ${ids} -- true`)
    check(identityOf({}, { user }), `/bin/setpriv ${ids} ${limits} -- true`)
  })

  it('leaves root as it is in an image that has no setpriv', () => {
    check(identityOf({}, { setpriv: undefined }), 'true')
  })
})

describe('containerCommand()', () => {
  const request = {
    argv: ['sleep', '1'],
    env: { PATH: '/bin', 'a.b': 'c d' },
    workingDir: '/',
    identity: identityOf({}),
    readOnlyRootfs: false,
    tty: false,
    root: '/c/root',
    fstab: '/c/fstab',
  }

  it('gives the program its environment and nothing else, the tools a PATH of theirs (EN6)', () => {
    const { argv, env } = containerCommand(request, '/usr/bin')
    expect(argv.slice(-3)).toEqual(['container', 'sleep', '1'])
    expect(argv.at(-4)).toContain(` -- env -i 'PATH='"$SP_V0" 'a.b='"$SP_V1" "$@" `)
    expect([env['PATH'], env['SP_PATH'], env['SP_V1']]).toEqual(['/usr/bin', '/bin', 'c d'])
  })

  it('shows no value of the environment in its arguments', () => {
    const secret = { ...request, env: { "a'b": 'hunter2' } }
    const { argv } = containerCommand(secret, '/usr/bin')
    expect(argv.join(' ')).not.toContain('hunter2')
    expect(argv.join(' ')).toContain(`'a'\\''b='"$SP_V0"`)
  })

  it('changes the user for others than root', () => {
    const user = { uid: 1000, gid: 100, groups: [5] }
    const { argv } = containerCommand(
      { ...request, identity: identityOf({}, { user }) },
      '/usr/bin',
    )
    const ids = '--reuid=1000 --regid=100 --groups=5'
    expect(argv.join(' ')).toContain(`exec /bin/setpriv ${ids} --bounding-set=-all,+chown`)
  })
})

describe('endingOf() (R6)', () => {
  it('gives the code, or 128 and the signal, also where unshare loses it', () => {
    expect(endingOf(3, undefined, '')).toEqual({ exitCode: 3 })
    expect(endingOf(null, 15, '')).toEqual({ exitCode: 143, signal: 15 })
    expect(endingOf(1, undefined, 'unshare: sigprocmask unblock failed')).toEqual({
      exitCode: 137,
      signal: 9,
    })
    expect(endingOf(1, undefined, '')).toEqual({ exitCode: 1 })
  })
})
