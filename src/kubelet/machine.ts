// What this machine is: read once at start.
import { readFileSync, statfsSync } from 'node:fs'
import * as os from 'node:os'
import type { Machine } from './node-object.ts'

export interface MachineOptions {
  /** A path on the file system that Pods write to. */
  readonly storagePath: string
  readonly kubeletVersion: string
  readonly runtimeVersion: string
}

export function readMachine(options: MachineOptions): Machine {
  const storage = statfsSync(options.storagePath)
  const architecture = os.arch() === 'x64' ? 'amd64' : os.arch()
  return {
    cpus: os.cpus().length,
    memoryBytes: os.totalmem(),
    storageBytes: storage.blocks * storage.bsize,
    architecture,
    info: {
      architecture,
      bootID: read('/proc/sys/kernel/random/boot_id'),
      containerRuntimeVersion: options.runtimeVersion,
      kernelVersion: os.release(),
      kubeProxyVersion: '',
      kubeletVersion: options.kubeletVersion,
      machineID: read('/etc/machine-id'),
      operatingSystem: 'linux',
      osImage: osImage(),
      systemUUID: read('/sys/class/dmi/id/product_uuid') || read('/etc/machine-id'),
    },
  }
}

function osImage(): string {
  const match = /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(read('/etc/os-release'))
  return match?.[1] ?? 'Linux'
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}
