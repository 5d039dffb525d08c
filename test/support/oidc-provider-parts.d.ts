/*
 * The package's entry file prints a warning about Node 20, on which it works; its parts are
 * imported instead. They have the entry's types.
 */
declare module 'oidc-provider/lib/provider.js' {
  export { Provider } from 'oidc-provider'
}

declare module 'oidc-provider/lib/helpers/errors.js' {
  import { errors } from 'oidc-provider'
  export const InvalidScope: typeof errors.InvalidScope
}
