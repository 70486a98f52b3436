// The 403 of a request that no authorizer allowed.
import { forbiddenError, type StatusError, statusError } from '../../api/machinery/status.ts'
import { type Attributes, type Decision, isPath } from './attributes.ts'

export function forbidden(attributes: Attributes, decision: Pick<Decision, 'reason'>): StatusError {
  const reason = decision.reason === '' ? '' : `: ${decision.reason}`
  const cause = `${escapeHtml(showRequest(attributes))}${reason}`
  if (isPath(attributes)) return statusError('Forbidden', `forbidden: ${cause}`, {})
  const { group, resource: plural, name } = attributes
  return forbiddenError({ group, plural }, name, cause)
}

function showRequest(attributes: Attributes): string {
  const who = `User ${JSON.stringify(attributes.user.name)} cannot ${attributes.verb}`
  if (isPath(attributes)) return `${who} path ${JSON.stringify(attributes.path)}`
  const { resource, subresource, group, namespace } = attributes
  const what = JSON.stringify(subresource === '' ? resource : `${resource}/${subresource}`)
  const where =
    namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`
  return `${who} resource ${what} in API group ${JSON.stringify(group)} ${where}`
}

/** Browsers used to show these messages. */
const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
