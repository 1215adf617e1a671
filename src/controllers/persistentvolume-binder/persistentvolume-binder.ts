// persistentvolume-binder-controller: brings claims and volumes together, and parts them.
import { type KubeObject, keyOf } from '../../api/meta.ts';
import { coreV1, storageV1 } from '../../api/refs.ts';
import { isNotFound } from '../../api/status.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../api/type/core-v1.ts';
import { referenceTo } from '../../client/event-recorder.ts';
import type { Controller, ControllerContext, Reconciler } from '../../engine/controller.ts';
import { Binder } from './binder.ts';
import { bindCompleted, type ClaimStep, claimStep, type StepEvent } from './kernel/claim-step.ts';
import { reclaim, volumeStep } from './kernel/volume-step.ts';
import { countVolumes } from './volume-metrics.ts';

export interface VolumeBinderOptions {
  /** How often what is not bound is looked at again. Default 15 s, as `--pvclaimbinder-sync-period`. */
  readonly resyncMs?: number;
}

const claimKey = (claim: { metadata: { namespace?: string; name: string } }): string => `claim ${keyOf(claim)}`;
const volumeKey = (name: string): string => `volume ${name}`;
const claimKeyOfRef = ({ spec }: PersistentVolume): string[] =>
  spec?.claimRef ? [`claim ${spec.claimRef.namespace}/${spec.claimRef.name}`] : [];

export function volumeBinderController({ resyncMs = 15_000 }: VolumeBinderOptions = {}): Controller {
  return {
    name: 'persistentvolume-binder-controller',
    serviceAccount: 'persistent-volume-binder',
    component: 'persistentvolume-controller',
    watches: [
      {
        resource: coreV1.persistentvolumeclaims,
        keys: (claim: PersistentVolumeClaim, _old, _context, deleted) => {
          const volume = claim.spec?.volumeName ? [volumeKey(claim.spec.volumeName)] : [];
          return deleted ? volume : [claimKey(claim)];
        },
      },
      {
        resource: coreV1.persistentvolumes,
        keys: (volume: PersistentVolume, _old, _context, deleted) =>
          deleted ? claimKeyOfRef(volume) : [volumeKey(volume.metadata.name)],
      },
    ],
    reads: [storageV1.storageclasses, coreV1.pods],
    writes: [
      'persistentvolumes',
      'persistentvolumes/status',
      'persistentvolumeclaims',
      'persistentvolumeclaims/status',
      'events',
    ],
    // One: two claims must not choose the same volume.
    workers: 1,
    create: context => new VolumeBinder(context, resyncMs),
  };
}

class VolumeBinder implements Reconciler {
  readonly #context: ControllerContext;
  readonly #resyncMs: number;
  readonly #binder: Binder;

  constructor(context: ControllerContext, resyncMs: number) {
    this.#context = context;
    this.#resyncMs = resyncMs;
    this.#binder = new Binder(context);
  }

  async reconcile(key: string): Promise<void> {
    const space = key.indexOf(' ');
    const name = key.slice(space + 1);
    if (key.startsWith('claim')) await this.#syncClaim(name);
    else await this.#syncVolume(name);
  }

  async run(signal: AbortSignal): Promise<void> {
    const stopCounting = countVolumes(this.#context);
    try {
      await this.#resync(signal);
    } finally {
      stopCounting();
    }
  }

  async #resync(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#context.clock.sleep(this.#resyncMs, signal);
      for (const claim of this.#binder.claims.list())
        if (claim.status?.phase !== 'Bound') this.#context.enqueue(claimKey(claim));
      for (const volume of this.#binder.volumes.list())
        if (volume.status?.phase !== 'Bound') this.#context.enqueue(volumeKey(volume.metadata.name));
    }
  }

  async #syncClaim(key: string): Promise<void> {
    const claim = this.#binder.claims.get(key);
    if (!claim) {
      this.#binder.claims.forget(key);
      return;
    }
    const step = claimStep(claim, {
      volumes: this.#binder.volumes.list(),
      classes: this.#context.lister(storageV1.storageclasses).list(),
      waitingPods: () => this.#waitingPods(claim),
    });
    await this.#doClaim(claim, step);
  }

  async #doClaim(claim: PersistentVolumeClaim, step: ClaimStep): Promise<void> {
    const tell = (event: StepEvent | undefined) => this.#tell(claim, coreV1.persistentvolumeclaims, event);
    switch (step.do) {
      case 'bind':
        return this.#binder.bind(step.volume, claim);
      case 'wait':
        tell(step.event);
        return this.#binder.setClaimPhase(claim, 'Pending');
      case 'lose':
        if (claim.status?.phase !== 'Lost') tell(step.event);
        return this.#binder.setClaimPhase(claim, 'Lost');
      case 'assignClass':
        return this.#binder.assignClass(claim, step.name);
      case 'provision':
        await this.#binder.callProvisioner(claim, step.provisioner);
        return tell(step.event);
      case 'fail':
        return tell(step.event);
    }
  }

  async #syncVolume(name: string): Promise<void> {
    const volume = this.#binder.volumes.get(name);
    if (!volume) {
      this.#binder.volumes.forget(name);
      return;
    }
    const claim = await this.#claimOf(volume);
    const step = volumeStep(volume, claim);
    switch (step.do) {
      case 'phase':
        await this.#binder.setVolumePhase(volume, step.phase);
        // Somebody may wait for the likes of it.
        if (step.phase === 'Available' && volume.status?.phase !== 'Available') this.#wakeClaims();
        return;
      case 'unbind':
        await this.#binder.unbind(volume);
        this.#wakeClaims();
        return;
      case 'mismatch':
        this.#tellMismatch(volume, claim!);
        return;
      case 'awaitClaim':
        this.#context.enqueue(claimKey(claim!));
        return;
      case 'release':
        return this.#release(volume);
    }
  }

  /** A claim that is not in sight may be too new: a volume is not given up before the server has been asked. */
  async #claimOf(volume: PersistentVolume): Promise<PersistentVolumeClaim | undefined> {
    const { namespace, name, uid } = volume.spec?.claimRef ?? {};
    if (!uid || !name) return undefined;
    const known = this.#binder.claims.get(`${namespace}/${name}`);
    if (known?.metadata.uid === uid) return known;
    try {
      return await this.#context.client.get(coreV1.persistentvolumeclaims, { namespace: namespace!, name });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async #release(volume: PersistentVolume): Promise<void> {
    const { phase } = volume.status ?? {};
    const released =
      phase === 'Released' || phase === 'Failed' ? volume : await this.#binder.setVolumePhase(volume, 'Released');
    const next = reclaim(released);
    if (next.do === 'nothing') return;
    const told = released.status?.phase === 'Failed' && released.status.message === next.message;
    if (!told) this.#tell(released, coreV1.persistentvolumes, { type: 'Warning', ...next });
    if (next.do === 'fail') await this.#binder.setVolumePhase(released, 'Failed', next.message);
  }

  #tellMismatch(volume: PersistentVolume, claim: PersistentVolumeClaim): void {
    const event = (what: string): StepEvent => ({ type: 'Warning', reason: 'VolumeMismatch', message: what });
    this.#tell(
      volume,
      coreV1.persistentvolumes,
      event(
        `Cannot bind PersistentVolume to requested PersistentVolumeClaim "${claim.metadata.name}" due to incompatible volumeMode.`,
      ),
    );
    this.#tell(
      claim,
      coreV1.persistentvolumeclaims,
      event(
        `Cannot bind PersistentVolume "${volume.metadata.name}" to requested PersistentVolumeClaim due to incompatible volumeMode.`,
      ),
    );
  }

  #wakeClaims(): void {
    for (const claim of this.#binder.claims.list())
      if (!(bindCompleted in (claim.metadata.annotations ?? {}))) this.#context.enqueue(claimKey(claim));
  }

  #waitingPods({ metadata }: PersistentVolumeClaim): string[] {
    const uses = ({ spec, metadata: pod }: Pod) =>
      (spec?.volumes ?? []).some(
        v =>
          v.persistentVolumeClaim?.claimName === metadata.name ||
          (v.ephemeral && `${pod.name}-${v.name}` === metadata.name),
      );
    return this.#context
      .lister(coreV1.pods)
      .list(metadata.namespace)
      .filter(pod => !pod.spec?.nodeName && uses(pod))
      .map(pod => pod.metadata.name)
      .sort();
  }

  #tell(about: KubeObject, resource: Parameters<typeof referenceTo>[1], event: StepEvent | undefined): void {
    if (event) this.#context.events.event(referenceTo(about, resource), event.type, event.reason, event.message);
  }
}
