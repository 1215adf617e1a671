// Extended resources that a DeviceClass provides: a pod asks for `example.com/gpu: 1` and gets a device.

import { parseQuantity } from '../../../api/quantity.ts';
import { resourceV1 } from '../../../api/refs.ts';
import type { Container } from '../../../api/type/core-v1.ts';
import type { DeviceClass, DeviceRequest } from '../../../api/type/resource-v1.ts';
import type { InformerFactory } from '../../../client/informer.ts';
import type { PodInfo } from '../../pod-info.ts';

/** Names of this domain are classes themselves. */
const classDomain = 'deviceclass.resource.kubernetes.io/';
/** Marks the claim that the scheduler makes for a pod. */
export const extendedClaimAnnotation = 'resource.kubernetes.io/extended-resource-claim';

/** One container's share of what a pod wants of devices. */
export interface ExtendedRequest {
  readonly containerName: string;
  readonly resourceName: string;
  readonly request: DeviceRequest;
}

export class ExtendedResources {
  /** By the name that classes give. */
  readonly #named = new Map<string, Set<DeviceClass>>();
  readonly #classes;
  readonly #listeners = new Set<() => void>();

  constructor(informers: InformerFactory) {
    const informer = informers.informer(resourceV1.deviceclasses);
    this.#classes = informer.lister;
    informer.addHandler({
      onAdd: now => this.#replace(undefined, now),
      onUpdate: (now, old) => this.#replace(old, now),
      onDelete: old => this.#replace(old, undefined),
    });
  }

  /** Called after every change of what classes provide. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  #replace(old: DeviceClass | undefined, now: DeviceClass | undefined): void {
    const before = old?.spec.extendedResourceName;
    const after = now?.spec.extendedResourceName;
    if (old && before) this.#named.get(before)?.delete(old);
    if (now && after) this.#named.getOrInsertComputed(after, () => new Set()).add(now);
    if (!old || !now || before !== after) for (const listener of this.#listeners) listener();
  }

  /** Of several the newest, then the first by name. */
  classOf(resource: string): DeviceClass | undefined {
    if (resource.startsWith(classDomain)) return this.#classes.get(resource.slice(classDomain.length));
    const all = this.#named.get(resource);
    if (!all?.size) return undefined;
    const made = (c: DeviceClass) => c.metadata.creationTimestamp ?? '';
    return [...all].sort((a, b) =>
      made(a) === made(b) ? (a.metadata.name! < b.metadata.name! ? -1 : 1) : made(a) > made(b) ? -1 : 1,
    )[0];
  }

  /** Whether devices may stand for the resource on a node that does not have it by itself. */
  isMapped(resource: string): boolean {
    return resource.includes('/') && this.classOf(resource) !== undefined;
  }

  /** What the pod asks for of resources that classes provide. */
  requestsOf({ pod, requests }: PodInfo): readonly ExtendedRequest[] {
    if (!requests.scalar || ![...requests.scalar.keys()].some(r => this.isMapped(r))) return [];
    const containers: readonly Container[] = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
    return containers.flatMap((container, i) => this.#ofContainer(container, i));
  }

  #ofContainer({ name, resources }: Container, index: number): ExtendedRequest[] {
    const asked = Object.entries(resources?.requests ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    return asked
      .filter(([resource]) => resource.includes('/'))
      .flatMap(([resource, text], i) => {
        const deviceClass = this.classOf(resource);
        const count = parseQuantity(text).value();
        if (!deviceClass || count <= 0) return [];
        const request: DeviceRequest = {
          name: `container-${index}-request-${i}`,
          exactly: { deviceClassName: deviceClass.metadata.name!, allocationMode: 'ExactCount', count },
        };
        return [{ containerName: name, resourceName: resource, request }];
      });
  }
}
