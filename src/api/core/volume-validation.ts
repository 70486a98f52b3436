// Volumes of a Pod: one name, exactly one source, and paths that stay where they belong.
import { duplicate, forbidden, invalid, notFound, required } from '../machinery/field-error.ts'
import { configMapKeyProblems, dns1123LabelProblems } from '../machinery/names.ts'
import { type Errors, forEach, invalids, none, oneOf, present } from '../machinery/validation.ts'
import type {
  Container,
  DownwardAPIVolumeFile,
  KeyToPath,
  ProjectedVolumeSource,
  Volume,
} from '../types/core.gen.ts'
import { validateResourceFieldRef, volumeFieldRef } from './env-validation.ts'

/** In upstream's order: the second source of a volume is the one refused. */
const sources = [
  'emptyDir',
  'hostPath',
  'gitRepo',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'secret',
  'nfs',
  'iscsi',
  'glusterfs',
  'flocker',
  'persistentVolumeClaim',
  'rbd',
  'cinder',
  'cephfs',
  'quobyte',
  'downwardAPI',
  'fc',
  'flexVolume',
  'configMap',
  'azureFile',
  'vsphereVolume',
  'photonPersistentDisk',
  'portworxVolume',
  'azureDisk',
  'storageos',
  'projected',
  'scaleIO',
  'csi',
  'ephemeral',
  'image',
] as const

const hostPathTypes = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
]
const modeBounds = 'must be a number between 0 and 0777 (octal), both inclusive'

export function validateVolumes(volumes: readonly Volume[] | undefined, field: string): Errors {
  const names = new Set<string>()
  return forEach(volumes, field, (volume, at) => {
    const { name } = volume
    if (!name) return [...validateSource(volume, at), required(`${at}.name`)]
    const repeated = names.has(name) ? [duplicate(`${at}.name`, name)] : none
    names.add(name)
    const problems = invalids(`${at}.name`, name, dns1123LabelProblems(name))
    return [...validateSource(volume, at), ...problems, ...repeated]
  })
}

function validateSource(volume: Volume, field: string): Errors {
  const given = sources.filter((source) => volume[source] !== undefined)
  const [first, ...rest] = given
  if (first === undefined) return [required(field, 'must specify a volume type')]
  return [
    ...validateKnown(volume, field, first),
    ...rest.map((source) =>
      forbidden(`${field}.${source}`, 'may not specify more than 1 volume type'),
    ),
  ]
}

function validateKnown(volume: Volume, field: string, source: (typeof sources)[number]): Errors {
  const at = `${field}.${source}`
  switch (source) {
    case 'hostPath':
      return [
        ...present(volume.hostPath?.path, `${at}.path`),
        ...noBacksteps(volume.hostPath?.path ?? '', `${at}.path`),
        ...oneOf(volume.hostPath?.type, `${at}.type`, hostPathTypes),
      ]
    case 'secret':
      return [
        ...present(volume.secret?.secretName, `${at}.secretName`),
        ...validateFiles(volume.secret ?? {}, at),
      ]
    case 'configMap':
      return [
        ...present(volume.configMap?.name, `${at}.name`),
        ...validateFiles(volume.configMap ?? {}, at),
      ]
    case 'nfs':
      return validateNfs(volume.nfs, at)
    case 'persistentVolumeClaim':
      return present(volume.persistentVolumeClaim?.claimName, `${at}.claimName`)
    case 'downwardAPI':
      return [
        ...fileMode(volume.downwardAPI?.defaultMode, `${at}.defaultMode`),
        ...forEach(volume.downwardAPI?.items, `${at}`, validateDownwardFile),
      ]
    case 'projected':
      return validateProjected(volume.projected ?? {}, at)
    case 'csi':
      return present(volume.csi?.driver, `${at}.driver`)
    case 'ephemeral':
      return volume.ephemeral?.volumeClaimTemplate ? none : [required(`${at}.volumeClaimTemplate`)]
    case 'iscsi':
      return [
        ...present(volume.iscsi?.targetPortal, `${at}.targetPortal`),
        ...present(volume.iscsi?.iqn, `${at}.iqn`),
      ]
    default:
      return none
  }
}

function validateNfs(nfs: Volume['nfs'], field: string): Errors {
  const path = nfs?.path ?? ''
  return [
    ...present(nfs?.server, `${field}.server`),
    ...present(path, `${field}.path`),
    ...(path.startsWith('/') ? none : [invalid(`${field}.path`, path, 'must be an absolute path')]),
  ]
}

const fileMode = (mode: number | undefined, field: string): Errors =>
  mode !== undefined && (mode < 0 || mode > 0o777) ? [invalid(field, mode, modeBounds)] : none

function validateFiles(
  files: {
    readonly defaultMode?: number | undefined
    readonly items?: readonly KeyToPath[] | undefined
  },
  field: string,
): Errors {
  return [
    ...fileMode(files.defaultMode, `${field}.defaultMode`),
    ...validateItems(files.items, `${field}.items`),
  ]
}

const validateItems = (items: readonly KeyToPath[] | undefined, field: string): Errors =>
  forEach(items, field, (item, at) => [
    ...(item.key
      ? invalids(`${at}.key`, item.key, configMapKeyProblems(item.key))
      : [required(`${at}.key`)]),
    ...present(item.path, `${at}.path`),
    ...localPath(item.path ?? '', `${at}.path`),
    ...fileMode(item.mode, `${at}.mode`),
  ])

function validateDownwardFile(file: DownwardAPIVolumeFile, field: string): Errors {
  const { fieldRef, resourceFieldRef } = file
  const source = fieldRef
    ? [
        ...volumeFieldRef(fieldRef, `${field}.fieldRef`),
        ...(resourceFieldRef
          ? [
              invalid(
                field,
                'resource',
                'fieldRef and resourceFieldRef can not be specified simultaneously',
              ),
            ]
          : none),
      ]
    : resourceFieldRef
      ? validateResourceFieldRef(resourceFieldRef, `${field}.resourceFieldRef`, true)
      : [required(field, 'one of fieldRef and resourceFieldRef is required')]
  return [
    ...present(file.path, `${field}.path`),
    ...localPath(file.path ?? '', `${field}.path`),
    ...source,
    ...fileMode(file.mode, `${field}.mode`),
  ]
}

const minTokenSeconds = 600
const maxTokenSeconds = 2 ** 32

function validateProjected(projected: ProjectedVolumeSource, field: string): Errors {
  const kinds = ['secret', 'configMap', 'downwardAPI', 'serviceAccountToken'] as const
  return [
    ...fileMode(projected.defaultMode, `${field}.defaultMode`),
    ...forEach(projected.sources, `${field}.sources`, (source, at) => {
      const given = Object.values(source).filter((item) => item !== undefined).length
      const [first] = kinds.filter((kind) => source[kind] !== undefined)
      return [
        ...(source.secret
          ? [
              ...present(source.secret.name, `${at}.secret.name`),
              ...validateItems(source.secret.items, `${at}.secret.items`),
            ]
          : none),
        ...(source.configMap
          ? [
              ...present(source.configMap.name, `${at}.configMap.name`),
              ...validateItems(source.configMap.items, `${at}.configMap.items`),
            ]
          : none),
        ...forEach(source.downwardAPI?.items, `${at}.downwardAPI`, validateDownwardFile),
        ...validateToken(source.serviceAccountToken, `${at}.serviceAccountToken`),
        ...(given > 1
          ? [forbidden(`${at}.${first}`, 'may not specify more than 1 volume type')]
          : given === 0
            ? [required(at, 'must specify a volume type')]
            : none),
      ]
    }),
  ]
}

type Token = NonNullable<
  NonNullable<ProjectedVolumeSource['sources']>[number]['serviceAccountToken']
>

function validateToken(token: Token | undefined, field: string): Errors {
  if (!token) return none
  const seconds = token.expirationSeconds ?? 3600
  const at = `${field}.expirationSeconds`
  const duration =
    seconds < minTokenSeconds
      ? [invalid(at, seconds, 'may not specify a duration less than 10 minutes')]
      : seconds > maxTokenSeconds
        ? [invalid(at, seconds, 'may not specify a duration larger than 2^32 seconds')]
        : none
  return [
    ...duration,
    ...present(token.path, `${field}.path`),
    ...localPath(token.path ?? '', `${field}.path`),
  ]
}

/** Relative, without "..": what is written below a volume may not leave it. */
export function localPath(path: string, field: string): Errors {
  return [
    ...(path.startsWith('/') ? [invalid(field, path, 'must be a relative path')] : none),
    ...noBacksteps(path, field),
    ...(path.startsWith('..') && !path.startsWith('../') && path !== '..'
      ? [invalid(field, path, "must not start with '..'")]
      : none),
  ]
}

function noBacksteps(path: string, field: string): Errors {
  return path.split('/').includes('..') ? [invalid(field, path, "must not contain '..'")] : none
}

/** Mounts against the volumes there are. */
export function validateMounts(
  container: Container,
  volumeNames: ReadonlySet<string>,
  field: string,
): Errors {
  const paths = new Set<string>()
  const mounts = forEach(container.volumeMounts, `${field}.volumeMounts`, (mount, at) => {
    const { name, mountPath } = mount
    const repeated = paths.has(mountPath)
      ? [invalid(`${at}.mountPath`, mountPath, 'must be unique')]
      : none
    paths.add(mountPath)
    return [
      ...present(name, `${at}.name`),
      ...(volumeNames.has(name) ? none : [notFound(`${at}.name`, name)]),
      ...present(mountPath, `${at}.mountPath`),
      ...repeated,
      ...(mount.subPath ? localPath(mount.subPath, `${at}.subPath`) : none),
      ...(mount.subPathExpr && mount.subPath
        ? [
            invalid(
              `${at}.subPathExpr`,
              mount.subPathExpr,
              'subPathExpr and subPath are mutually exclusive',
            ),
          ]
        : none),
      ...(mount.subPathExpr ? localPath(mount.subPathExpr, `${at}.subPathExpr`) : none),
      ...oneOf(mount.mountPropagation, `${at}.mountPropagation`, [
        'Bidirectional',
        'HostToContainer',
        'None',
      ]),
    ]
  })
  const devices = forEach(container.volumeDevices, `${field}.volumeDevices`, (device, at) => [
    ...present(device.name, `${at}.name`),
    ...(volumeNames.has(device.name) ? none : [notFound(`${at}.name`, device.name)]),
    ...present(device.devicePath, `${at}.devicePath`),
  ])
  return [...mounts, ...devices]
}
