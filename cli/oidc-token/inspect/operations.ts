/** What can be done with files and directories. */
export const STORAGE_OPERATIONS = [
  'read',
  'write',
  'create',
  'overwrite',
  'delete',
  'stat',
  'list',
  'mkdir',
  'rename',
] as const
/** What can be done with jobs. */
export const COMPUTE_OPERATIONS = ['submit', 'query', 'remove'] as const

/** What is done with a file or a directory; `write` is whatever is there already. */
export type StorageOperation = (typeof STORAGE_OPERATIONS)[number]
export type ComputeOperation = (typeof COMPUTE_OPERATIONS)[number]

/** All that `--op` takes. */
export const OPERATIONS = [...STORAGE_OPERATIONS, ...COMPUTE_OPERATIONS] as const
export type OperationName = (typeof OPERATIONS)[number]
