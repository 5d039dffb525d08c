/** RFC 8628 §3.4. */
export const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'

/** RFC 8693 §2.1. */
export const EXCHANGE_GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange'

/** Every grant there is an answer to. */
export const ALL_GRANTS: readonly string[] = [
  'authorization_code',
  'refresh_token',
  'password',
  'client_credentials',
  DEVICE_GRANT,
  EXCHANGE_GRANT,
]
