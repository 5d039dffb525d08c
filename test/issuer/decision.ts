import type { ReceivedRequest } from './received-request.ts'

/** What a person pressed on one of the provider's pages. */
export function decisionIn({ form }: ReceivedRequest): 'approved' | 'denied' | undefined {
  if (form['decision'] === 'approve') return 'approved'
  return form['decision'] === 'deny' ? 'denied' : undefined
}

/** A form with the two buttons. */
export function decisionForm(action: string, userCode?: string): string {
  const code =
    userCode === undefined
      ? ''
      : `<input type="text" name="user_code" value="${attribute(userCode)}"/>`
  const buttons =
    '<button name="decision" value="approve">Allow</button><button name="decision" value="deny">Cancel</button>'
  return `<form method="post" action="${attribute(action)}">${code}${buttons}</form>`
}

function attribute(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
