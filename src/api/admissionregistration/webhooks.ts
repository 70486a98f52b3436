// Webhook configurations: who is asked before an object is written. Calling them is admission's.
import { ageOf, columnsOf } from '../machinery/columns.ts'
import type { Draft } from '../machinery/draft.ts'
import { duplicate, invalid, required } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import { validateLabelSelector } from '../machinery/labels.ts'
import { dns1123SubdomainProblems } from '../machinery/names.ts'
import { type Errors, forEach, invalids, none, oneOf, portNumber } from '../machinery/validation.ts'
import { mutatingwebhookconfigurations, validatingwebhookconfigurations } from '../resources.gen.ts'
import type {
  MutatingWebhook,
  MutatingWebhookConfiguration,
  ValidatingWebhook,
  ValidatingWebhookConfiguration,
  WebhookClientConfig,
} from '../types/admissionregistration.gen.ts'
import { defaultRule, validateRule } from './rules.ts'

type Webhook = ValidatingWebhook & Pick<MutatingWebhook, 'reinvocationPolicy'>

const shared = {
  generation: true,
  requiresResourceVersion: true,
  columns: columnsOf('Name | Webhooks: integer | Age'),
} as const

export const validatingWebhookKind: Kind<ValidatingWebhookConfiguration> = {
  ...shared,
  resource: validatingwebhookconfigurations,
  defaults: ({ webhooks }) => defaultWebhooks(webhooks ?? []),
  validate: ({ webhooks }) => validateWebhooks(webhooks ?? []),
  row: (item, nowMs) => ({
    cells: [item.metadata.name, (item.webhooks ?? []).length, ageOf(item, nowMs)],
  }),
}

export const mutatingWebhookKind: Kind<MutatingWebhookConfiguration> = {
  ...shared,
  resource: mutatingwebhookconfigurations,
  defaults({ webhooks }) {
    defaultWebhooks(webhooks ?? [])
    for (const webhook of webhooks ?? []) webhook.reinvocationPolicy ??= 'Never'
  },
  validate: ({ webhooks }) => validateWebhooks(webhooks ?? []),
  row: (item, nowMs) => ({
    cells: [item.metadata.name, (item.webhooks ?? []).length, ageOf(item, nowMs)],
  }),
}

function defaultWebhooks(webhooks: Draft<ValidatingWebhook>[]): void {
  for (const webhook of webhooks) {
    webhook.failurePolicy ??= 'Fail'
    webhook.matchPolicy ??= 'Equivalent'
    webhook.namespaceSelector ??= {}
    webhook.objectSelector ??= {}
    webhook.timeoutSeconds ??= 10
    if (webhook.clientConfig?.service) webhook.clientConfig.service.port ??= 443
    for (const rule of webhook.rules ?? []) defaultRule(rule)
  }
}

function validateWebhooks(webhooks: readonly Webhook[]): Errors {
  const names = new Set<string>()
  return forEach(webhooks, 'webhooks', (webhook, at) => {
    const repeated = names.has(webhook.name) ? [duplicate(`${at}.name`, webhook.name)] : none
    names.add(webhook.name)
    return [...validateWebhook(webhook, at), ...repeated]
  })
}

const maxTimeoutSeconds = 30

function validateWebhook(webhook: Webhook, field: string): Errors {
  const seconds = webhook.timeoutSeconds ?? 10
  return [
    ...validateName(webhook.name, `${field}.name`),
    ...forEach(webhook.rules, `${field}.rules`, validateRule),
    ...oneOf(webhook.failurePolicy, `${field}.failurePolicy`, ['Fail', 'Ignore']),
    ...oneOf(webhook.matchPolicy, `${field}.matchPolicy`, ['Equivalent', 'Exact']),
    ...(webhook.sideEffects
      ? oneOf(webhook.sideEffects, `${field}.sideEffects`, ['None', 'NoneOnDryRun'])
      : [required(`${field}.sideEffects`, 'must specify one of None, NoneOnDryRun')]),
    ...(seconds < 1 || seconds > maxTimeoutSeconds
      ? [
          invalid(
            `${field}.timeoutSeconds`,
            seconds,
            `the timeout value must be between 1 and ${maxTimeoutSeconds} seconds`,
          ),
        ]
      : none),
    ...validateLabelSelector(webhook.namespaceSelector, `${field}.namespaceSelector`),
    ...validateLabelSelector(webhook.objectSelector, `${field}.objectSelector`),
    ...oneOf(webhook.reinvocationPolicy, `${field}.reinvocationPolicy`, ['IfNeeded', 'Never']),
    ...validateClient(webhook.clientConfig ?? {}, `${field}.clientConfig`),
    ...validateVersions(webhook.admissionReviewVersions ?? [], `${field}.admissionReviewVersions`),
  ]
}

function validateName(name: string, field: string): Errors {
  if (!name) return [required(field)]
  const problems = invalids(field, name, dns1123SubdomainProblems(name))
  const segments = 'should be a domain with at least three segments separated by dots'
  return problems.length === 0 && name.split('.').length < 3
    ? [invalid(field, name, segments)]
    : problems
}

export function validateClient({ url, service }: WebhookClientConfig, field: string): Errors {
  if ((url === undefined) === (service === undefined)) {
    return [required(field, 'exactly one of url or service is required')]
  }
  if (url !== undefined) return validateUrl(url, `${field}.url`)
  const at = `${field}.service`
  return [
    ...(service?.name ? none : [required(`${at}.name`, 'service name is required')]),
    ...(service?.namespace ? none : [required(`${at}.namespace`, 'service namespace is required')]),
    ...(service?.path === undefined || service.path.startsWith('/')
      ? none
      : [invalid(`${at}.path`, service.path, "must start with a '/'")]),
    ...(service?.port === undefined ? none : portNumber(service.port, `${at}.port`)),
  ]
}

const form = '; desired format: https://host[/path]'

function validateUrl(text: string, field: string): Errors {
  if (!URL.canParse(text)) return [required(field, `url must be a valid URL${form}`)]
  const url = new URL(text)
  return [
    ...(url.protocol === 'https:'
      ? none
      : [
          invalid(
            field,
            url.protocol.slice(0, -1),
            `'https' is the only allowed URL scheme${form}`,
          ),
        ]),
    ...(url.host ? none : [invalid(field, url.host, `host must be specified${form}`)]),
    ...(url.username || url.password
      ? [invalid(field, url.username, 'user information is not permitted in the URL')]
      : none),
    ...(url.hash
      ? [invalid(field, url.hash.slice(1), 'fragments are not permitted in the URL')]
      : none),
    ...(url.search
      ? [invalid(field, url.search.slice(1), 'query parameters are not permitted in the URL')]
      : none),
  ]
}

const accepted = ['v1', 'v1beta1']

function validateVersions(versions: readonly string[], field: string): Errors {
  if (versions.length === 0) {
    return [required(field, `must specify one of ${accepted.join(', ')}`)]
  }
  return versions.some((version) => accepted.includes(version))
    ? none
    : [invalid(field, versions, `must include at least one of ${accepted.join(', ')}`)]
}
