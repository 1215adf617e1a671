// Who owns what: a graph of all objects by uid, kept by what informers show. It says whom to look at; whether anything
// is to be deleted is decided on fresh objects.
import type { KubeObject } from '../../../api/meta.ts';
import type { ResourceRef } from '../../../api/ref.ts';
import type { OwnerReference } from '../../../api/type/meta-v1.ts';

export const orphanFinalizer = 'orphan';
export const foregroundFinalizer = 'foregroundDeletion';

export interface Node {
  readonly uid: string;
  /** False for an owner known only from its dependents' references; the fields below then mean nothing. */
  readonly observed: boolean;
  readonly resource: ResourceRef<any>;
  readonly namespace: string;
  readonly name: string;
  readonly owners: readonly OwnerReference[];
  readonly dependents: ReadonlySet<Node>;
  /** Has a deletionTimestamp. */
  readonly deleting: boolean;
  /** Its deletion waits for its dependents: the foreground finalizer. */
  readonly deletingDependents: boolean;
  /** Its dependents are to be set free first: the orphan finalizer. */
  readonly orphaning: boolean;
}

type MutableNode = { -readonly [K in keyof Node]: Node[K] } & { dependents: Set<MutableNode> };

/** What to do after a change. */
export interface Effects {
  /** Objects that may have to be deleted, or set free from an owner. */
  readonly attempt: readonly Node[];
  /** Owners whose dependents are to lose them. */
  readonly orphan: readonly Node[];
  /** References across namespaces: the owner is elsewhere. */
  readonly misplaced: readonly { readonly node: Node; readonly owner: OwnerReference }[];
}

const nowhere: ResourceRef<any> = { group: '', version: '', resource: '', kind: '', namespaced: false };
const noOwners: readonly OwnerReference[] = [];
const nothing: Effects = { attempt: [], orphan: [], misplaced: [] };

class Collected implements Effects {
  readonly attempt: Node[] = [];
  readonly orphan: Node[] = [];
  readonly misplaced: { node: Node; owner: OwnerReference }[] = [];
}

export class OwnerGraph {
  readonly #nodes = new Map<string, MutableNode>();

  get size(): number {
    return this.#nodes.size;
  }

  get(uid: string): Node | undefined {
    return this.#nodes.get(uid);
  }

  nodes(): Iterable<Node> {
    return this.#nodes.values();
  }

  /** An object as it is now: new or changed. */
  observe(object: KubeObject, resource: ResourceRef<any>): Effects {
    const { uid, name, namespace = '', ownerReferences = noOwners, deletionTimestamp, finalizers } = object.metadata;
    const known = this.#nodes.get(uid);
    const node = known ?? this.#add(uid);
    const out = new Collected();
    const before = node.owners;
    const isNew = !node.observed;
    if (isNew) Object.assign(node, { observed: true, resource, name, namespace });
    node.owners = ownerReferences;
    this.#relink(node, before, out);
    const deleting = deletionTimestamp !== undefined;
    const foreground = deleting && (finalizers?.includes(foregroundFinalizer) ?? false);
    const orphaning = deleting && (finalizers?.includes(orphanFinalizer) ?? false);
    if (orphaning && !node.orphaning) out.orphan.push(node);
    const starts = foreground && !node.deletingDependents;
    node.deleting = deleting;
    node.orphaning = orphaning;
    node.deletingDependents = foreground;
    if (starts) out.attempt.push(...node.dependents, node);
    if (isNew && node.dependents.size > 0) this.#meetDependents(node, out);
    return out;
  }

  /** The object is gone. */
  remove(uid: string): Effects {
    const node = this.#nodes.get(uid);
    if (!node?.observed) return nothing;
    const out = new Collected();
    const { owners } = node;
    node.owners = noOwners;
    this.#relink(node, owners, out);
    for (const { uid: owner } of owners) this.#wake(owner, out);
    out.attempt.push(...node.dependents);
    // What depends on it keeps a place for it: that is how it is known not to exist.
    if (node.dependents.size === 0) this.#nodes.delete(uid);
    else
      Object.assign(node, { observed: false, deleting: false, deletingDependents: false, orphaning: false, name: '' });
    return out;
  }

  /** Nothing to do: all its owners exist, are what it says they are, and do not wait for it. */
  isSettled(node: Node): boolean {
    return node.owners.every(ref => {
      const owner = this.#nodes.get(ref.uid);
      return owner?.observed && !owner.deletingDependents && isAsReferred(owner, ref, node);
    });
  }

  /** Some owner was never seen: whoever it is must be asked for again. */
  hasUnseenOwner({ owners }: Node): boolean {
    return owners.some(ref => !this.#nodes.get(ref.uid)?.observed);
  }

  /**
   * The dependents without which the node's deletion does not end. Cluster-wide objects cannot be owned from within a
   * namespace: they are never collected for it, and it does not wait for them.
   */
  blocking(node: Node): Node[] {
    return [...node.dependents].filter(
      d =>
        (d.namespace !== '' || node.namespace === '') && d.owners.some(o => o.uid === node.uid && o.blockOwnerDeletion),
    );
  }

  /** It waits for dependents that wait for it, at whatever remove. */
  waitsForItself(node: Node): boolean {
    const seen = new Set<Node>();
    const next = this.blocking(node);
    for (let d = next.pop(); d; d = next.pop()) {
      if (d === node) return true;
      if (seen.has(d) || !d.deletingDependents) continue;
      seen.add(d);
      next.push(...this.blocking(d));
    }
    return false;
  }

  #add(uid: string): MutableNode {
    const node: MutableNode = {
      uid,
      observed: false,
      resource: nowhere,
      namespace: '',
      name: '',
      owners: noOwners,
      dependents: new Set(),
      deleting: false,
      deletingDependents: false,
      orphaning: false,
    };
    this.#nodes.set(uid, node);
    return node;
  }

  /** Edges from `before` to what `node.owners` says now. */
  #relink(node: MutableNode, before: readonly OwnerReference[], out: Collected): void {
    const { owners } = node;
    if (before === owners || (before.length === 0 && owners.length === 0)) return;
    for (const old of before) {
      const now = owners.find(o => o.uid === old.uid);
      if (old.blockOwnerDeletion && !now?.blockOwnerDeletion) this.#wake(old.uid, out);
      if (!now) this.#unlink(node, old.uid);
    }
    for (const ref of owners) {
      const old = before.find(o => o.uid === ref.uid);
      if (!old || old.name !== ref.name || old.kind !== ref.kind || old.apiVersion !== ref.apiVersion)
        this.#link(node, ref, out);
    }
  }

  #link(node: MutableNode, ref: OwnerReference, out: Collected): void {
    const owner = this.#nodes.get(ref.uid) ?? this.#add(ref.uid);
    owner.dependents.add(node);
    if (!owner.observed || owner.deletingDependents) out.attempt.push(node);
    else if (!isAsReferred(owner, ref, node)) this.#mismatch(node, owner, ref, out);
  }

  #unlink(node: MutableNode, ownerUid: string): void {
    const owner = this.#nodes.get(ownerUid);
    owner?.dependents.delete(node);
    if (owner && !owner.observed && owner.dependents.size === 0) this.#nodes.delete(ownerUid);
  }

  /** Whoever waits for its dependents looks again. */
  #wake(uid: string, out: Collected): void {
    const owner = this.#nodes.get(uid);
    if (owner?.deletingDependents) out.attempt.push(owner);
  }

  /** The owner has come after those who refer to it: are they right? */
  #meetDependents(owner: MutableNode, out: Collected): void {
    for (const node of owner.dependents)
      for (const ref of node.owners)
        if (ref.uid === owner.uid && !isAsReferred(owner, ref, node)) this.#mismatch(node, owner, ref, out);
  }

  #mismatch(node: Node, owner: Node, ref: OwnerReference, out: Collected): void {
    if (owner.namespace !== '' && owner.namespace !== node.namespace) out.misplaced.push({ node, owner: ref });
    out.attempt.push(node);
  }
}

function isAsReferred(owner: Node, ref: OwnerReference, dependent: Pick<Node, 'namespace'>): boolean {
  const slash = ref.apiVersion.indexOf('/');
  const group = slash < 0 ? '' : ref.apiVersion.slice(0, slash);
  return (
    owner.name === ref.name &&
    owner.resource.kind === ref.kind &&
    owner.resource.group === group &&
    (owner.namespace === '' || owner.namespace === dependent.namespace)
  );
}
