// What a valid Pod is, and a valid Pod template: upstream's ValidatePodSpec, error for error.
import { duplicate, invalid, notSupported, required } from '../machinery/field-error.ts'
import { validateLabels } from '../machinery/labels.ts'
import {
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  qualifiedNameProblems,
  userIdProblems,
} from '../machinery/names.ts'
import { validateAnnotations } from '../machinery/object-meta.ts'
import {
  type Errors,
  forEach,
  invalids,
  ipAddress,
  none,
  oneOf,
  present,
} from '../machinery/validation.ts'
import type { Pod, PodDNSConfig, PodSpec, PodTemplateSpec } from '../types/core.gen.ts'
import { validateAllContainers, validateSeccomp } from './container-validation.ts'
import { validateDeadline, validateScheduling } from './scheduling-validation.ts'
import { validateVolumes } from './volume-validation.ts'

const restartPolicies = ['Always', 'OnFailure', 'Never']
const dnsPolicies = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']

export const validatePod = (pod: Pod): Errors => validatePodSpec(pod.spec, 'spec')

/** The template of a workload; its labels are matched by the caller. */
export function validatePodTemplate(template: PodTemplateSpec, field: string): Errors {
  const { metadata, spec } = template
  const ephemeral = spec?.ephemeralContainers ?? []
  return [
    ...validateLabels(metadata?.labels, `${field}.labels`),
    ...validateAnnotations(metadata?.annotations, `${field}.annotations`),
    ...validatePodSpec(spec ?? { containers: [] }, `${field}.spec`),
    ...(ephemeral.length > 0
      ? [
          {
            type: 'FieldValueForbidden' as const,
            field: `${field}.spec.ephemeralContainers`,
            message: 'Forbidden: ephemeral containers not allowed in pod template',
          },
        ]
      : none),
  ]
}

export function validatePodSpec(spec: PodSpec, field: string): Errors {
  return [
    ...validateVolumes(spec.volumes, `${field}.volumes`),
    ...validateAllContainers(spec, field),
    ...policy(spec.restartPolicy, `${field}.restartPolicy`, restartPolicies),
    ...policy(spec.dnsPolicy, `${field}.dnsPolicy`, dnsPolicies),
    ...validatePodSecurity(spec, `${field}.securityContext`),
    ...forEach(spec.imagePullSecrets, `${field}.imagePullSecrets`, ({ name }, at) =>
      present(name, `${at}.name`),
    ),
    ...validateScheduling(spec, field),
    ...validateDns(spec, `${field}.dnsConfig`),
    ...forEach(spec.readinessGates, `${field}.readinessGates`, ({ conditionType }, at) =>
      invalids(`${at}.conditionType`, conditionType, qualifiedNameProblems(conditionType)),
    ),
    ...validateClaims(spec, `${field}.resourceClaims`),
    ...validateNames(spec, field),
    ...validateDeadline(spec.activeDeadlineSeconds, `${field}.activeDeadlineSeconds`),
    ...forEach(spec.hostAliases, `${field}.hostAliases`, ({ ip, hostnames }, at) => [
      ...ipAddress(ip, `${at}.ip`),
      ...forEach(hostnames, `${at}.hostnames`, (name, path) =>
        invalids(path, name, dns1123SubdomainProblems(name)),
      ),
    ]),
    ...oneOf(spec.preemptionPolicy, `${field}.preemptionPolicy`, ['PreemptLowerPriority', 'Never']),
    ...(spec.os ? oneOf(spec.os.name, `${field}.os.name`, ['linux', 'windows']) : none),
  ]
}

const policy = (value: string | undefined, field: string, supported: readonly string[]): Errors =>
  value
    ? supported.includes(value)
      ? none
      : [notSupported(field, value, supported)]
    : [required(field)]

function validateNames(spec: PodSpec, field: string): Errors {
  const label = (value: string | undefined, name: string) =>
    value ? invalids(`${field}.${name}`, value, dns1123LabelProblems(value)) : none
  const subdomain = (value: string | undefined, name: string) =>
    value ? invalids(`${field}.${name}`, value, dns1123SubdomainProblems(value)) : none
  return [
    ...subdomain(spec.serviceAccountName, 'serviceAccountName'),
    ...subdomain(spec.nodeName, 'nodeName'),
    ...label(spec.hostname, 'hostname'),
    ...label(spec.subdomain, 'subdomain'),
    ...subdomain(spec.priorityClassName, 'priorityClassName'),
    ...subdomain(spec.runtimeClassName, 'runtimeClassName'),
  ]
}

function validateClaims(spec: PodSpec, field: string): Errors {
  const names = new Set<string>()
  return forEach(spec.resourceClaims, field, (claim, at) => {
    const { name } = claim
    const repeated = names.has(name) ? [duplicate(`${at}.name`, name)] : none
    names.add(name)
    const sources = [claim.resourceClaimName, claim.resourceClaimTemplateName]
    const given = sources.filter((source) => source !== undefined).length
    return [
      ...(name
        ? invalids(`${at}.name`, name, dns1123LabelProblems(name))
        : [required(`${at}.name`)]),
      ...repeated,
      ...(given > 1
        ? [
            invalid(
              at,
              claim,
              'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified',
            ),
          ]
        : given === 0
          ? [
              invalid(
                at,
                claim,
                'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`',
              ),
            ]
          : none),
    ]
  })
}

function validatePodSecurity(
  { securityContext, hostPID, shareProcessNamespace }: PodSpec,
  field: string,
): Errors {
  if (!securityContext) return none
  const { runAsUser, runAsGroup, fsGroup, supplementalGroups } = securityContext
  const id = (value: number | undefined, name: string) =>
    value === undefined ? none : invalids(`${field}.${name}`, value, userIdProblems(value))
  return [
    ...id(fsGroup, 'fsGroup'),
    ...id(runAsUser, 'runAsUser'),
    ...id(runAsGroup, 'runAsGroup'),
    ...forEach(supplementalGroups, `${field}.supplementalGroups`, (group, at) =>
      invalids(at, group, userIdProblems(group)),
    ),
    ...(shareProcessNamespace && hostPID
      ? [
          invalid(
            `${field}.shareProcessNamespace`,
            true,
            'ShareProcessNamespace and HostPID cannot both be enabled',
          ),
        ]
      : none),
    ...validateSysctls(securityContext.sysctls, `${field}.sysctls`),
    ...oneOf(securityContext.fsGroupChangePolicy, `${field}.fsGroupChangePolicy`, [
      'Always',
      'OnRootMismatch',
    ]),
    ...validateSeccomp(securityContext, field),
  ]
}

const sysctlName = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*([a-z0-9][-_a-z0-9]*)?[a-z0-9*]$/

function validateSysctls(
  sysctls: NonNullable<PodSpec['securityContext']>['sysctls'],
  field: string,
): Errors {
  const names = new Set<string>()
  return forEach(sysctls, field, ({ name }, at) => {
    if (!name) return [required(`${at}.name`)]
    if (!sysctlName.test(name) || name.length > 253) {
      const bounds = `must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$`
      return [invalid(`${at}.name`, name, bounds)]
    }
    const repeated = names.has(name) ? [duplicate(`${at}.name`, name)] : none
    names.add(name)
    return repeated
  })
}

const maxNameservers = 3
const maxSearches = 32
const maxSearchLength = 2048

function validateDns({ dnsPolicy, dnsConfig }: PodSpec, field: string): Errors {
  if (dnsPolicy === 'None') {
    if (!dnsConfig) {
      return [required(field, 'must provide `dnsConfig` when `dnsPolicy` is None')]
    }
    if ((dnsConfig.nameservers ?? []).length === 0) {
      const missing = 'must provide at least one DNS nameserver when `dnsPolicy` is None'
      return [required(`${field}.nameservers`, missing)]
    }
  }
  return dnsConfig ? validateDnsConfig(dnsConfig, field) : none
}

function validateDnsConfig(
  { nameservers, searches, options }: PodDNSConfig,
  field: string,
): Errors {
  const list = searches ?? []
  const servers = nameservers ?? []
  const length = list.join(' ').length
  return [
    ...(servers.length > maxNameservers
      ? [
          invalid(
            `${field}.nameservers`,
            servers,
            `must not have more than ${maxNameservers} nameservers`,
          ),
        ]
      : none),
    ...forEach(servers, `${field}.nameservers`, ipAddress),
    ...(list.length > maxSearches
      ? [invalid(`${field}.searches`, list, `must not have more than ${maxSearches} search paths`)]
      : none),
    ...(length > maxSearchLength
      ? [
          invalid(
            `${field}.searches`,
            list,
            `must not have more than ${maxSearchLength} characters (including spaces) in the search list`,
          ),
        ]
      : none),
    ...forEach(list, `${field}.searches`, (search, at) => {
      const name = search.replace(/\.$/, '')
      return search === '.' ? none : invalids(at, name, dns1123SubdomainProblems(name))
    }),
    ...forEach(options, `${field}.options`, ({ name }, at) =>
      name ? none : [required(at, 'must not be empty')],
    ),
  ]
}
