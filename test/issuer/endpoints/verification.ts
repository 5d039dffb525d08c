import { decisionForm, decisionIn } from '../decision.ts'
import type { Endpoint } from '../provider.ts'
import { html } from '../response.ts'

/** Where a person enters the code of a device (RFC 8628 §3.3). */
export const verification: Endpoint = ({ store }, request) => {
  const userCode = request.form['user_code'] ?? request.query.get('user_code') ?? ''
  const decision = decisionIn(request)
  if (decision === undefined) return html(200, 'Enter code', decisionForm(request.path, userCode))
  const device = store.byUserCode(userCode)
  if (device === undefined) return html(404, 'Unknown code')
  device.decision = decision
  return html(200, decision === 'approved' ? 'Device approved' : 'Device refused')
}
