// What runs Pods: the contract. process-runtime/ is the one that needs nothing installed; a CRI
// runtime fits behind the same three interfaces. Logs are files in Kubernetes' own format at the
// path the kubelet names, so reading them (container-log.ts) is no business of a runtime.
import type { Duplex, Readable, Writable } from 'node:stream'
import type { WindowSize } from '../linux/pty.ts'

export interface Runtime {
  /** The scheme of container ids and of nodeInfo.containerRuntimeVersion. */
  readonly name: string
  readonly version: string
  /** Prepares the node and clears what an earlier run left. Rejects with what is missing. */
  open(): Promise<void>
  /** Ends every sandbox and leaves nothing behind. */
  close(): Promise<void>
  list(): readonly Sandbox[]
  startSandbox(config: SandboxConfig): Promise<Sandbox>
}

export interface SandboxConfig {
  readonly podUID: string
  readonly hostname: string
  /** Shares the node's network and hostname. */
  readonly hostNetwork: boolean
  /** One pid namespace for all containers of the Pod. */
  readonly shareProcessNamespace: boolean
}

/** A Pod's own namespaces and address, in which its containers run. */
export interface Sandbox {
  readonly podUID: string
  /** Empty for hostNetwork. */
  readonly ips: readonly string[]
  /** Resolves when the command runs; rejects with RuntimeError when it cannot. */
  start(config: ContainerConfig): Promise<RunningContainer>
  /** Connects to 127.0.0.1 (then ::1) as a process in the Pod would. */
  dial(port: number): Promise<Duplex>
  /** Kills what still runs, and gives the address back. Calling it again is harmless. */
  remove(): Promise<void>
}

export interface ContainerMount {
  readonly source: string
  /** Absolute, inside the container. Made if it is not there. */
  readonly target: string
  readonly readOnly: boolean
}

export interface ContainerUser {
  readonly uid: number
  readonly gid: number
  readonly groups: readonly number[]
}

/** Names in capitals without the prefix CAP_: all but these, or none but these. */
export interface Capabilities {
  readonly from: 'all' | 'none'
  readonly except: readonly string[]
}

/** What a container may do beyond what its user may. */
export interface Privileges {
  /** Everything the node may do; no path of /proc is hidden or read-only. */
  readonly privileged: boolean
  /** What root in it can do, and what any program in it can gain. */
  readonly capabilities: Capabilities
  /** Programs cannot gain what their caller lacks. */
  readonly noNewPrivileges: boolean
}

export interface ContainerConfig {
  readonly name: string
  /** How often it ran before. */
  readonly attempt: number
  /** Absent: a copy-on-write view of the host's own files. */
  readonly rootfs?: string
  readonly readOnlyRootfs: boolean
  readonly argv: readonly string[]
  /** The whole environment; nothing is added. */
  readonly env: Readonly<Record<string, string>>
  readonly workingDir: string
  readonly user: ContainerUser
  readonly privileges: Privileges
  readonly mounts: readonly ContainerMount[]
  /** Content of files the container owns a copy of, by absolute path: /etc/hostname. */
  readonly files: Readonly<Record<string, string>>
  readonly stdin: boolean
  readonly tty: boolean
  readonly logPath: string
}

export interface ContainerExit {
  /** The program's own, or 128 + signal. */
  readonly exitCode: number
  readonly signal?: number
  readonly finishedAtMs: number
}

export interface RunningContainer {
  readonly id: string
  readonly startedAtMs: number
  /** Resolves once it has ended and its log is complete; never rejects. */
  readonly exited: Promise<ContainerExit>
  /** To its first process, by name; a process that is gone is no error. */
  signal(name: string): void
  /** Throws RuntimeError "NotRunning". */
  exec(request: ExecRequest): StreamSession
  /** Its output from now on, and its stdin if it was started with one. */
  attach(): StreamSession
  usage(): ContainerUsage
  /** Its files; the log stays. */
  remove(): Promise<void>
}

export interface ExecRequest {
  readonly argv: readonly string[]
  readonly stdin: boolean
  readonly tty: boolean
}

/** A conversation with a process. */
export interface StreamSession {
  readonly stdin: Writable | undefined
  readonly stdout: Readable
  /** Absent with a terminal, which mixes both. */
  readonly stderr: Readable | undefined
  /** Resolves after the last output was handed over. */
  readonly exited: Promise<{ readonly exitCode: number }>
  resize(size: WindowSize): void
  /** Ends the process and all its children (exec), or only the conversation (attach). */
  close(): void
}

export interface ContainerUsage {
  readonly cpuSeconds: number
  readonly memoryBytes: number
}

/** Reasons as they stand in a waiting or terminated container state. */
export type RuntimeErrorCode = 'CreateContainerError' | 'StartError' | 'SandboxError' | 'NotRunning'

export class RuntimeError extends Error {
  override readonly name = 'RuntimeError'
  readonly code: RuntimeErrorCode

  constructor(code: RuntimeErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
