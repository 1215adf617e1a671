// One reconciliation of a Deployment: what the kernels decide, done.
import { cloneDeep, type Draft } from '../../api/meta.ts';
import { appsV1, coreV1 } from '../../api/refs.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../api/status.ts';
import type { Deployment, DeploymentStatus, ReplicaSet } from '../../api/type/apps-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { WholeNumber } from '../../base/whole-number.ts';
import { referenceTo } from '../../client/event-recorder.ts';
import type { ControllerContext, Result } from '../../engine/controller.ts';
import { controllerRef, isControlledBy } from '../../engine/controller-ref.ts';
import type { UnseenCreations } from '../../engine/unseen-creations.ts';
import { isPodFinished } from '../kernel/pod.ts';
import { isNamespaceTerminating } from '../pod-control.ts';
import { controlledBy } from '../pod-owner.ts';
import {
  conditionOf,
  countedStatus,
  isComplete,
  pauseCondition,
  rolloutStatus,
  sameStatus,
  untilDeadlineMs,
  withCondition,
  withProgress,
} from './kernel/deployment-status.ts';
import { equalTemplates, type Split, sizeOf, splitSets } from './kernel/replica-sets.ts';
import {
  currentAnnotations,
  expendable,
  newReplicaSet,
  nextRevision,
  revisionAnnotation,
  scaleAnnotations,
} from './kernel/revision.ts';
import { currentSize, type Resize, resizeCurrent, resizeOld, scaleSets, scaleToZero } from './kernel/rollout.ts';

export class Round {
  readonly #context: ControllerContext;
  readonly #unseen: UnseenCreations<ReplicaSet>;
  /** As the informer shows it. */
  readonly #stored: Deployment;
  /** With the conditions and the revision that are to be written at the end of the round. */
  #d: Deployment;
  #sets: readonly ReplicaSet[];

  constructor(
    context: ControllerContext,
    deployment: Deployment,
    sets: readonly ReplicaSet[],
    unseen: UnseenCreations<ReplicaSet>,
  ) {
    this.#context = context;
    this.#unseen = unseen;
    this.#stored = deployment;
    this.#d = deployment;
    this.#sets = sets;
  }

  get deployment(): Deployment {
    return this.#d;
  }

  get sets(): readonly ReplicaSet[] {
    return this.#sets;
  }

  get #nowMs(): number {
    return this.#context.clock.now();
  }

  /** Says whether the rollout is paused, or no longer. */
  tellPause(): void {
    const condition = pauseCondition(this.#d);
    if (!condition) return;
    this.#setStatus({ conditions: withCondition(this.#d.status?.conditions ?? [], condition, this.#nowMs) });
  }

  /** The counts only; the Deployment is being deleted. */
  async tellCounts(): Promise<undefined> {
    await this.#writeCounts(await this.split(false));
  }

  /** Follows a change of size, without rolling anything out. */
  async scale(): Promise<undefined> {
    const split = await this.split(false);
    await this.#resize(scaleSets(this.#d, split));
    if (this.#d.spec.paused) await this.#cleanUp(split.old);
    await this.#writeCounts(this.#split());
  }

  async rollOut(): Promise<Result | undefined> {
    const { current, old } = await this.split(true);
    // The namespace is being deleted.
    if (!current) return undefined;
    const grown = await this.#resize(resizeCurrent(this.#d, current, old));
    const shrunk = grown || (await this.#resize(resizeOld(this.#d, current, old)));
    if (!grown && !shrunk && isComplete(this.#d, this.#stored.status)) await this.#cleanUp(old);
    return this.#writeRollout();
  }

  /** All old pods end before the first new one starts. */
  async recreate(): Promise<Result | undefined> {
    const { old } = await this.split(false);
    if (await this.#resize(scaleToZero(old))) return this.#writeRollout();
    if (this.#oldPodsRun(old)) return this.#writeRollout();
    const { current } = await this.split(true);
    if (!current) return undefined;
    await this.#resize(resizeCurrent(this.#d, current, []));
    if (isComplete(this.#d, this.#stored.status)) await this.#cleanUp(old);
    return this.#writeRollout();
  }

  /**
   * The ReplicaSet of the template and the others, with revisions and annotations in order. `create` makes the former
   * where it is missing; it stays missing when the namespace is being deleted.
   */
  async split(create: boolean): Promise<Split> {
    const { current, old } = this.#split();
    const revision = nextRevision(old);
    if (current) await this.#syncCurrent(current, revision);
    else if (create) await this.#create(old, revision);
    return this.#split();
  }

  #split(): Split {
    return splitSets(this.#d, this.#sets);
  }

  async #syncCurrent(current: ReplicaSet, revision: WholeNumber): Promise<void> {
    const annotations = currentAnnotations(this.#d, current, revision);
    const minReadySeconds = this.#d.spec.minReadySeconds ?? 0;
    const had = current.metadata.annotations ?? {};
    const same = Object.entries(annotations).every(([k, v]) => had[k] === v);
    let set = current;
    if (!same || (current.spec.minReadySeconds ?? 0) !== minReadySeconds)
      set = await this.#update(current, { annotations }, { minReadySeconds });
    this.#setRevision(set.metadata.annotations?.[revisionAnnotation]);
    if (conditionOf(this.#d.status, 'Progressing')) return;
    const message = `Found new replica set "${current.metadata.name}"`;
    this.#setStatus({ conditions: withProgress(this.#d, 'True', 'FoundNewReplicaSet', message, this.#nowMs) });
  }

  async #create(old: readonly ReplicaSet[], revision: WholeNumber): Promise<void> {
    const draft = newReplicaSet(this.#d, controllerRef(this.#d, appsV1.deployments), revision);
    const name = draft.metadata!.name!;
    const total = old.reduce((n, rs) => n + sizeOf(rs), 0);
    const replicas = currentSize(this.#d, 0, total);
    draft.spec!.replicas = replicas;
    let created: ReplicaSet;
    try {
      created = await this.#context.client.create(appsV1.replicasets, draft);
    } catch (error) {
      if (isNamespaceTerminating(error)) return;
      if (!isAlreadyExists(error)) return this.#createFailed(name, error);
      const found = await this.#existing(name);
      if (!found) return this.#collided(error);
      this.#sets = [...this.#sets.filter(rs => rs.metadata.uid !== found.metadata.uid), found];
      this.#setRevision(found.metadata.annotations?.[revisionAnnotation]);
      return;
    }
    this.#sets = [...this.#sets, created];
    this.#unseen.add(created);
    if (replicas > 0) this.#event('Normal', 'ScalingReplicaSet', `Scaled up replica set ${name} from 0 to ${replicas}`);
    this.#setRevision(String(revision));
    const message = `Created new replica set "${name}"`;
    this.#setStatus({ conditions: withProgress(this.#d, 'True', 'NewReplicaSetCreated', message, this.#nowMs) });
  }

  /** Ours, of this template, which the informer has not shown yet. */
  async #existing(name: string): Promise<ReplicaSet | undefined> {
    const key = { namespace: this.#d.metadata.namespace!, name };
    const found = await this.#context.client.get(appsV1.replicasets, key);
    const ours = isControlledBy(found, this.#d) && equalTemplates(found.spec.template, this.#d.spec.template);
    return ours ? found : undefined;
  }

  /** Another ReplicaSet has the name: the next round tries another hash. */
  async #collided(error: unknown): Promise<never> {
    this.#setStatus({ collisionCount: (this.#d.status?.collisionCount ?? 0) + 1 });
    await this.#write(this.#d.status);
    throw error;
  }

  async #createFailed(name: string, error: unknown): Promise<never> {
    const message = `Failed to create new replica set "${name}": ${messageOf(error)}`;
    this.#setStatus({ conditions: withProgress(this.#d, 'False', 'ReplicaSetCreateError', message, this.#nowMs) });
    this.#event('Warning', 'ReplicaSetCreateError', message);
    await this.#write(this.#d.status);
    throw error;
  }

  /** True when a ReplicaSet got another size. */
  async #resize(resizes: readonly Resize[]): Promise<boolean> {
    let resized = false;
    for (const { set, to } of resizes) {
      const from = sizeOf(set);
      const wanted = scaleAnnotations(this.#d);
      const had = set.metadata.annotations ?? {};
      const annotated = Object.entries(wanted).every(([k, v]) => had[k] === v);
      if (from === to && annotated) continue;
      await this.#update(set, { annotations: { ...had, ...wanted } }, { replicas: to });
      if (from === to) continue;
      resized = true;
      const way = to > from ? 'up' : 'down';
      const message = `Scaled ${way} replica set ${set.metadata.name} from ${from} to ${to}`;
      this.#event('Normal', 'ScalingReplicaSet', message);
    }
    return resized;
  }

  async #update(set: ReplicaSet, metadata: object, spec: object): Promise<ReplicaSet> {
    const draft = cloneDeep(set);
    const next = { ...draft, metadata: { ...draft.metadata, ...metadata }, spec: { ...draft.spec, ...spec } };
    let updated: ReplicaSet;
    try {
      updated = await this.#context.client.update(appsV1.replicasets, next as Draft<ReplicaSet>);
    } catch (error) {
      // Gone, or not as it was created: only the informer knows.
      if (isNotFound(error) || isConflict(error)) this.#unseen.forget(set.metadata.uid);
      throw error;
    }
    if (this.#unseen.has(updated.metadata.uid)) this.#unseen.add(updated);
    this.#sets = this.#sets.map(rs => (rs.metadata.uid === updated.metadata.uid ? updated : rs));
    return updated;
  }

  #oldPodsRun(old: readonly ReplicaSet[]): boolean {
    const pods = this.#context.lister(coreV1.pods);
    return old.some(rs => rs.status?.replicas || controlledBy(pods, rs).some(p => !isPodFinished(p)));
  }

  /** Deletes history beyond its limit. */
  async #cleanUp(old: readonly ReplicaSet[]): Promise<void> {
    for (const { metadata } of expendable(this.#d, old)) {
      try {
        await this.#context.client.delete(appsV1.replicasets, {
          namespace: metadata.namespace!,
          name: metadata.name,
        });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
  }

  async #writeCounts({ current }: Split): Promise<undefined> {
    await this.#write(countedStatus(this.#d, current, this.#sets, this.#nowMs));
  }

  async #writeRollout(): Promise<Result | undefined> {
    const { current } = this.#split();
    const status = rolloutStatus(this.#d, current, this.#sets, this.#nowMs);
    await this.#write(status);
    const wait = untilDeadlineMs(this.#d, status, this.#nowMs);
    return wait === undefined ? undefined : { requeueAfterMs: wait };
  }

  /** Status and revision in one. */
  async #write(status: DeploymentStatus): Promise<void> {
    const { metadata } = this.#d;
    if (metadata === this.#stored.metadata && sameStatus(this.#stored.status, status)) return;
    const draft = { ...cloneDeep({ ...this.#stored, metadata }), status } as Draft<Deployment>;
    await this.#context.client.updateStatus(appsV1.deployments, draft);
  }

  #setStatus(change: Partial<DeploymentStatus>): void {
    this.#d = { ...this.#d, status: { ...this.#d.status, ...change } };
  }

  #setRevision(revision: string | undefined): void {
    const { metadata } = this.#d;
    if (revision === undefined || metadata.annotations?.[revisionAnnotation] === revision) return;
    const annotations = { ...metadata.annotations, [revisionAnnotation]: revision };
    this.#d = { ...this.#d, metadata: { ...metadata, annotations } };
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#context.events.event(referenceTo(this.#d, appsV1.deployments), type, reason, message);
  }
}
