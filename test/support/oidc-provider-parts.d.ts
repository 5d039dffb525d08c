/*
 * The package's entry file complains on stderr about Node 20, on which it runs well; its parts are
 * imported instead. They have the entry's types.
 */
declare module 'oidc-provider/lib/provider.js' {
  export { Provider } from 'oidc-provider'
}

declare module 'oidc-provider/lib/helpers/errors.js' {
  import { errors } from 'oidc-provider'
  export const InvalidScope: typeof errors.InvalidScope
}
