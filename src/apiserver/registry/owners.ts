// References to owners that a client gave more than once: the server keeps one of each and says so.
import type { KubeObject, Mutable } from '../../api/meta.ts';
import { equalJson } from '../../api/patch/plain.ts';
import type { OwnerReference } from '../../api/type/meta-v1.ts';

type Owned = Pick<Mutable<KubeObject>, 'metadata'>;

/** `when`: what has happened to the object since the client sent it. */
export function dedupeOwners({ metadata }: Owned, warn: (message: string) => void, when: 'sent' | 'admitted'): void {
  const given = metadata.ownerReferences as readonly OwnerReference[] | undefined;
  if (!given || given.length < 2) return;
  const kept: OwnerReference[] = [];
  // Each is compared with those of its own names alone: there may be thousands.
  const named = new Map<string, OwnerReference[]>();
  const twice = new Set<string>();
  for (const owner of given) {
    const names = JSON.stringify([owner.uid, owner.apiVersion, owner.kind, owner.name]);
    const same = named.get(names) ?? [];
    if (same.some(k => equalJson(k, owner))) {
      twice.add(owner.uid);
      continue;
    }
    kept.push(owner);
    named.set(names, [...same, owner]);
  }
  if (!twice.size) return;
  (metadata as { ownerReferences?: readonly OwnerReference[] }).ownerReferences = kept;
  const how = when === 'admitted' ? ' after mutating admission happens' : '';
  warn(
    `.metadata.ownerReferences contains duplicate entries${how}; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ${[...twice].join(', ')}`,
  );
}
