/** Options of a delete as audit events have them: of the version that is no client's. */
export function sentOptions(options: object): object {
  const { kind: _, apiVersion: __, ...rest } = options as Record<string, unknown>;
  return { kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/__internal', ...rest };
}
