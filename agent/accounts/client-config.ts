import {
  type Account,
  type AudienceParameter,
  audienceParameterOf,
  type ProviderConfig,
  sameIssuer,
} from '../../protocol/storage/account.ts'
import {
  issuerFilesState,
  type KnownIssuer,
  readKnownIssuers,
} from '../../protocol/storage/issuer-config.ts'
import { AgentError } from '../../protocol/wire/errors.ts'
import { fileAnswer, NoFileAnswer } from '../file-answers.ts'
import type { Log } from '../log.ts'
import type { Client, ClientAuthentication } from '../oauth/provider.ts'
import { profileNamed } from '../providers/products.ts'

/** The members of an account, or of a request, that say where a provider is. */
export type ProviderLocation = Pick<ProviderConfig, 'issuer' | 'configEndpoint' | 'certPath'>

/** What the issuer files configure for a provider. */
interface IssuerOverride {
  readonly profile: string | undefined
  readonly audienceParameter: AudienceParameter | undefined
}

const noOverride: IssuerOverride = { profile: undefined, audienceParameter: undefined }

/**
 * Provider and client configurations for requests: from the account, completed by the issuer files.
 * An entry of issuer.config names the provider's profile (`provider`) and how an audience is requested
 * (`audience_parameter`, or `legacy_aud_mode` of cli.md §1.8) if the account does not.
 */
export class ClientConfigs {
  readonly #knownIssuers: () => Promise<readonly KnownIssuer[]>
  readonly #log: Log

  constructor(parts: {
    readonly knownIssuers: () => Promise<readonly KnownIssuer[]>
    readonly log: Log
  }) {
    this.#knownIssuers = parts.knownIssuers
    this.#log = parts.log
  }

  /** The provider of an account. */
  async providerOf({
    issuer,
    configEndpoint,
    certPath,
  }: ProviderLocation): Promise<ProviderConfig> {
    const { profile } = await this.#override(issuer)
    return { issuer, configEndpoint, certPath, profile }
  }

  /** The client of an account. */
  async clientOf(account: Account): Promise<Client> {
    const { issuer, configEndpoint, certPath } = account
    const { profile, audienceParameter } = await this.#override(issuer)
    return {
      provider: { issuer, configEndpoint, certPath, profile },
      id: account.clientId,
      secret: account.clientSecret,
      isPublic: isPublic(account),
      deviceAuthorizationEndpoint: account.deviceAuthorizationEndpoint,
      audienceParameter: account.audienceParameter ?? audienceParameter,
      authentication: authenticationOf(account),
    }
  }

  /** No override if the issuer is unknown or a file is unreadable: a token request must not fail for it. */
  async #override(issuer: string): Promise<IssuerOverride> {
    try {
      const known = (await this.#knownIssuers()).find((one) => sameIssuer(one.issuer, issuer))
      return known === undefined ? noOverride : this.#overrideIn(known)
    } catch (error) {
      if (!(error instanceof AgentError)) throw error
      this.#log.warn(error.message)
      return noOverride
    }
  }

  #overrideIn(known: KnownIssuer): IssuerOverride {
    const { issuer, provider, audienceParameter, legacyAudienceMode: isLegacy } = known
    const profile = provider === undefined ? undefined : profileNamed(provider)?.name
    if (profile === undefined && provider !== undefined) {
      this.#log.warn(`issuer.config: unknown provider '${provider}' for ${issuer}`)
    }
    const legacy = isLegacy === undefined ? undefined : isLegacy ? 'audience' : 'resource'
    return { profile, audienceParameter: audienceParameterOf(audienceParameter) ?? legacy }
  }
}

function isPublic({ usesPublicClient, clientSecret, privateKeyFile }: Account): boolean {
  return usesPublicClient || (clientSecret === undefined && privateKeyFile === undefined)
}

/** RFC 7591 §2 names; for an absent or unknown name, discovery decides. */
function authenticationOf({ authenticationMethod, privateKeyFile }: Account): ClientAuthentication {
  switch (authenticationMethod) {
    case 'none':
      return { kind: 'none' }
    case 'client_secret_basic':
      return { kind: 'basic' }
    case 'client_secret_post':
      return { kind: 'post' }
    case 'private_key_jwt':
      if (privateKeyFile === undefined) return { kind: 'automatic' }
      return { kind: 'private_key_jwt', keyFile: privateKeyFile }
    case undefined:
    default:
      return { kind: 'automatic' }
  }
}

/**
 * Reads the issuer files, and reads them again only after one of them has changed, as every request to a
 * provider needs them. While a file system does not answer, what was read last is still known.
 * @throws AgentError `file-unreadable` or `file-malformed`, with the name of the file, from the returned function.
 */
export function knownIssuersReader(
  directory: () => Promise<string | undefined>,
  systemDirectory?: string,
): () => Promise<readonly KnownIssuer[]> {
  let last: { readonly state: string; readonly issuers: readonly KnownIssuer[] } | undefined
  const read = async (path: string | undefined): Promise<readonly KnownIssuer[]> => {
    const state = await issuerFilesState(path, systemDirectory)
    if (last?.state === state) return last.issuers
    const issuers = await readKnownIssuers(path, systemDirectory)
    last = { state, issuers }
    return issuers
  }
  return async () => {
    try {
      const path = await directory()
      return await fileAnswer(`issuers ${path ?? ''} ${systemDirectory ?? ''}`, () => read(path))
    } catch (error) {
      if (!(error instanceof NoFileAnswer)) throw error
      if (last !== undefined) return last.issuers
      throw new AgentError('file-unreadable', `the issuer files cannot be read: ${error.message}`)
    }
  }
}
