/** Version of this program. The release script keeps it equal to package.json; a test compares them. */
export const VERSION = '0.1.0'

/**
 * Version the agent and account files name. It is the generation of wire and file formats we speak
 * (protocol.md §3.3), not ours: C readers take any file below 2.1.0 for the legacy format, and
 * scripts around oidc-agent compare it.
 */
export const FORMAT_VERSION = '5.3.3'
