// Approving and signing a CertificateSigningRequest takes a right to the signer it asks.
import { certificatesigningrequests } from '../../api/resources.gen.ts'
import type { CertificateSigningRequest } from '../../api/types/certificates.gen.ts'
import { semanticEqual } from '../../lib/equal.ts'
import { oldOf, quote, refuse } from './refuse.ts'
import type { AdmissionContext, AdmissionPlugin, AdmissionRequest } from './request.ts'

const resource = 'certificatesigningrequests.certificates.k8s.io'

export const certificateApproval: AdmissionPlugin = {
  name: 'CertificateApproval',
  operations: ['UPDATE'],
  resources: [`${resource}/approval`],
  validate(request, context) {
    const signer = oldOf(request, certificatesigningrequests).spec.signerName
    if (mayUse({ signer, verb: 'approve' }, request, context)) return undefined
    return refuse(
      request,
      `user not permitted to approve requests with signerName ${quote(signer)}`,
    )
  },
}

export const certificateSigning: AdmissionPlugin = {
  name: 'CertificateSigning',
  operations: ['UPDATE'],
  resources: [`${resource}/status`],
  validate(request, context) {
    const old = oldOf(request, certificatesigningrequests)
    const next = request.object as unknown as CertificateSigningRequest
    const failed = ({ status }: CertificateSigningRequest) =>
      (status?.conditions ?? []).filter(({ type }) => type === 'Failed')
    const isSame =
      next.status?.certificate === old.status?.certificate &&
      semanticEqual(failed(next), failed(old))
    if (isSame || mayUse({ signer: old.spec.signerName, verb: 'sign' }, request, context))
      return undefined
    return refuse(
      request,
      `user not permitted to sign requests with signerName ${quote(old.spec.signerName)}`,
    )
  },
}

/** A right to the signer itself, or to all of its domain ("example.com/*"). */
function mayUse(
  { signer, verb }: { readonly signer: string; readonly verb: string },
  { user }: AdmissionRequest,
  { authorize }: AdmissionContext,
): boolean {
  const domain = `${signer.split('/', 1)[0]}/*`
  return [signer, domain].some((name) => {
    const attributes = {
      user,
      verb,
      group: 'certificates.k8s.io',
      version: '*',
      resource: 'signers',
      subresource: '',
      namespace: '',
      name,
    }
    return authorize(attributes).verdict === 'allow'
  })
}
