// Secrets that the pods of an account may use, where the account says so.
import type { Container, Pod, ServiceAccount } from '../../api/type/core-v1.ts';

const annotation = 'kubernetes.io/enforce-mountable-secrets';
// What Go takes for true.
const trues: ReadonlySet<string> = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);

/** Why the pod may not use a secret it names; `whole`: all of the pod, else its ephemeral containers only. */
export function unmountable(account: ServiceAccount, { spec }: Pod, whole: boolean): string | undefined {
  if (!trues.has(account.metadata.annotations?.[annotation] ?? '')) return undefined;
  const { name } = account.metadata;
  const known = (list: readonly { readonly name?: string }[] | undefined) => new Set(list?.map(s => s.name ?? ''));
  const secrets = known(account.secrets);
  const end = `is not allowed because service account ${name} does not reference that secret`;
  const within = (kind: string, containers: readonly Pick<Container, 'name' | 'env' | 'envFrom'>[] = []) => {
    for (const c of containers) {
      for (const { name: variable, valueFrom } of c.env ?? []) {
        const secret = valueFrom?.secretKeyRef && (valueFrom.secretKeyRef.name ?? '');
        if (secret !== undefined && !secrets.has(secret))
          return `${kind} ${c.name} with envVar ${variable} referencing secret.secretName="${secret}" ${end}`;
      }
      for (const { secretRef } of c.envFrom ?? []) {
        const secret = secretRef && (secretRef.name ?? '');
        if (secret !== undefined && !secrets.has(secret))
          return `${kind} ${c.name} with envFrom referencing secret.secretName="${secret}" ${end}`;
      }
    }
    return undefined;
  };
  if (!whole) return within('ephemeral container', spec.ephemeralContainers);
  const volume = spec.volumes?.find(v => v.secret && !secrets.has(v.secret.secretName ?? ''));
  if (volume) return `volume with secret.secretName="${volume.secret?.secretName ?? ''}" ${end}`;
  const inside = within('init container', spec.initContainers) ?? within('container', spec.containers);
  if (inside) return inside;
  const pulling = known(account.imagePullSecrets);
  const i = spec.imagePullSecrets?.findIndex(s => !pulling.has(s.name ?? '')) ?? -1;
  if (i < 0) return undefined;
  const pull = spec.imagePullSecrets?.[i]?.name ?? '';
  return `imagePullSecrets[${i}].name="${pull}" is not allowed because service account ${name} does not reference that imagePullSecret`;
}
