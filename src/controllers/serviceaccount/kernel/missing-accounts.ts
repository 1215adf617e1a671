import type { Namespace, ServiceAccount } from '../../../api/type/core-v1.ts';

/** The accounts to create: none in a namespace that is gone or on its way. */
export function missingAccounts(
  namespace: Namespace | undefined,
  names: readonly string[],
  find: (name: string) => ServiceAccount | undefined,
): string[] {
  if (namespace?.status?.phase !== 'Active') return [];
  return names.filter(name => !find(name));
}
