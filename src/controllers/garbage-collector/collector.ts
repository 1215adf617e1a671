// Decides on fresh objects, and deletes or sets free.
import type { KubeObject, ObjectKey } from '../../api/meta.ts';
import type { ResourceRef } from '../../api/ref.ts';
import { isNotFound, StatusError } from '../../api/status.ts';
import type { OwnerReference } from '../../api/type/meta-v1.ts';
import type { Client, Patch } from '../../client/client.ts';
import { foregroundFinalizer, type Node, type OwnerGraph, orphanFinalizer } from './kernel/owner-graph.ts';
import { dropFinalizer, dropOwners, unblockOwners } from './kernel/owner-patch.ts';

const absentOwnersKept = 500;
// Patches at once for one owner's dependents.
const atOnce = 20;

export interface Verdict {
  /** Owners that exist. */
  readonly solid: readonly OwnerReference[];
  readonly dangling: readonly OwnerReference[];
  /** Owners whose deletion waits for their dependents. */
  readonly waiting: readonly OwnerReference[];
}

/** Its kind is not served, or not yet: a definition may just have been made. */
export class UnknownKindError extends Error {}

export class Collector {
  readonly #client: Client;
  readonly #graph: OwnerGraph;
  readonly #resourceOf: (ref: OwnerReference) => ResourceRef<any> | undefined;
  /** Owners that were looked for in vain; the oldest first. */
  readonly #absent = new Set<string>();

  constructor(client: Client, graph: OwnerGraph, resourceOf: (ref: OwnerReference) => ResourceRef<any> | undefined) {
    this.#client = client;
    this.#graph = graph;
    this.#resourceOf = resourceOf;
  }

  /** The informers showed the end of this object. */
  ownerGone({ uid, namespace, name, resource }: Node): void {
    const apiVersion = resource.group ? `${resource.group}/${resource.version}` : resource.version;
    this.#remember(absentKey({ apiVersion, kind: resource.kind, name, uid }, namespace));
  }

  /** Deletes the object if none of its owners is left; does what its own deletion waits for. Returns nodes to look at next. */
  async attempt(node: Node): Promise<readonly Node[]> {
    if (node.deleting && !node.deletingDependents) return [];
    if (node.deletingDependents) return this.#finishForeground(node);
    if (node.owners.length === 0 || this.#graph.isSettled(node)) return [];
    const latest = await this.#read(node);
    if (!latest?.metadata.ownerReferences?.length) return [];
    const verdict = await this.#judge(node, latest.metadata.ownerReferences);
    if (verdict.solid.length > 0) await this.#leaveOwners(node, latest, verdict);
    else await this.#collect(node, latest, verdict);
    return [];
  }

  /** Takes the owner out of its dependents' references, then lets it go. */
  async orphan(node: Node): Promise<void> {
    const dependents = [...node.dependents];
    const uids = new Set([node.uid]);
    for (let i = 0; i < dependents.length; i += atOnce)
      await Promise.all(dependents.slice(i, i + atOnce).map(d => this.#patch(d, (o, s) => dropOwners(o, uids, s))));
    await this.#removeFinalizer(node, orphanFinalizer);
  }

  async #finishForeground(node: Node): Promise<readonly Node[]> {
    const blocking = this.#graph.blocking(node);
    if (blocking.length === 0) await this.#removeFinalizer(node, foregroundFinalizer);
    // All of a circle were deleted at the same time: nobody else will cut it.
    else if (this.#graph.waitsForItself(node)) await this.#patch(node, unblockOwners);
    return blocking.filter(d => !d.deletingDependents);
  }

  async #judge(node: Node, owners: readonly OwnerReference[]): Promise<Verdict> {
    const verdict = {
      solid: [] as OwnerReference[],
      dangling: [] as OwnerReference[],
      waiting: [] as OwnerReference[],
    };
    for (const ref of owners) {
      const owner = await this.#ownerOf(node, ref);
      if (owner === 'absent') verdict.dangling.push(ref);
      else if (owner !== 'unfindable' && isWaitingForDependents(owner)) verdict.waiting.push(ref);
      else verdict.solid.push(ref);
    }
    return verdict;
  }

  async #ownerOf(node: Node, ref: OwnerReference): Promise<KubeObject | 'absent' | 'unfindable'> {
    if (this.#absent.has(absentKey(ref, '')) || (node.namespace && this.#absent.has(absentKey(ref, node.namespace))))
      return 'absent';
    const resource = this.#resourceOf(ref);
    if (!resource)
      throw new UnknownKindError(
        `no matches for kind ${JSON.stringify(ref.kind)} in version ${JSON.stringify(ref.apiVersion)}`,
      );
    // A cluster-wide object cannot be owned by one in a namespace, nor be deleted for that.
    if (resource.namespaced && !node.namespace) return 'unfindable';
    const namespace = resource.namespaced ? node.namespace : '';
    try {
      const owner = await this.#client.get<KubeObject>(resource, keyIn(namespace, ref.name));
      if (owner.metadata.uid === ref.uid) return owner;
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    this.#remember(absentKey(ref, namespace));
    return 'absent';
  }

  /** Some owner is there: the object stays, without the references that hold up or mislead. */
  async #leaveOwners(node: Node, latest: KubeObject, { dangling, waiting }: Verdict): Promise<void> {
    if (dangling.length + waiting.length === 0) return;
    const uids = new Set([...dangling, ...waiting].map(o => o.uid));
    await this.#patch(node, (o, strategic) => dropOwners(o, uids, strategic), latest);
  }

  async #collect(node: Node, latest: KubeObject, { waiting }: Verdict): Promise<void> {
    if (waiting.length === 0 || node.dependents.size === 0) {
      const { finalizers = [] } = latest.metadata;
      const policy = finalizers.includes(orphanFinalizer)
        ? 'Orphan'
        : finalizers.includes(foregroundFinalizer)
          ? 'Foreground'
          : 'Background';
      await this.#delete(node, latest, policy);
      return;
    }
    // A circle would wait for itself for ever.
    if ([...node.dependents].some(d => d.deletingDependents)) {
      await this.#patch(node, unblockOwners, latest);
      await this.#delete(node, undefined, 'Foreground');
    } else await this.#delete(node, latest, 'Foreground');
  }

  /** `latest` as it was judged: whatever has changed since is judged anew. */
  async #delete(
    { resource, namespace, name, uid }: Node,
    latest: KubeObject | undefined,
    propagationPolicy: 'Orphan' | 'Foreground' | 'Background',
  ): Promise<void> {
    const resourceVersion = latest?.metadata.resourceVersion;
    try {
      await this.#client.delete(resource, keyIn(namespace, name), {
        propagationPolicy,
        preconditions: { uid, ...(resourceVersion ? { resourceVersion } : {}) },
      });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  async #removeFinalizer(node: Node, finalizer: string): Promise<void> {
    const object = await this.#read(node);
    if (object?.metadata.finalizers?.includes(finalizer)) await this.#send(node, dropFinalizer(object, finalizer));
  }

  async #patch(
    node: Node,
    patchOf: (object: KubeObject, strategic: boolean) => Patch,
    latest?: KubeObject,
  ): Promise<void> {
    try {
      const known = latest ?? ({ metadata: { uid: node.uid, ownerReferences: node.owners } } as KubeObject);
      await this.#send(node, patchOf(known, true));
    } catch (error) {
      // Custom resources do not know strategic patches.
      if (!(error instanceof StatusError) || error.code !== 415) throw error;
      const object = await this.#read(node);
      if (object) await this.#send(node, patchOf(object, false));
    }
  }

  async #send({ resource, namespace, name, uid }: Node, patch: Patch): Promise<void> {
    try {
      await this.#client.patch(resource, keyIn(namespace, name), patch);
    } catch (error) {
      if (isNotFound(error) || isOtherObject(error, uid)) return;
      throw error;
    }
  }

  /** Undefined when it is gone, or another one has its name. */
  async #read({ resource, namespace, name, uid }: Node): Promise<KubeObject | undefined> {
    try {
      const object = await this.#client.get<KubeObject>(resource, keyIn(namespace, name));
      return object.metadata.uid === uid ? object : undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  #remember(key: string): void {
    this.#absent.delete(key);
    this.#absent.add(key);
    for (const oldest of this.#absent) {
      if (this.#absent.size <= absentOwnersKept) break;
      this.#absent.delete(oldest);
    }
  }
}

const absentKey = ({ apiVersion, kind, name, uid }: OwnerReference, namespace: string): string =>
  [apiVersion, kind, namespace, name, uid].join('\0');

const keyIn = (namespace: string, name: string): ObjectKey => (namespace ? { namespace, name } : { name });

const isWaitingForDependents = ({ metadata }: KubeObject): boolean =>
  metadata.deletionTimestamp !== undefined && (metadata.finalizers?.includes(foregroundFinalizer) ?? false);

/** A uid in a patch that is not the object's: a conflict, or an attempt to change what cannot be changed. */
const isOtherObject = (error: unknown, uid: string): boolean =>
  error instanceof StatusError &&
  (error.code === 409 || error.code === 422) &&
  error.message.includes('uid') &&
  error.message.includes(uid);
