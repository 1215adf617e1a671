// Gives the index of devices every slice with the taints that DeviceTaintRules put on its devices.
import { taintedByRules } from '../../../api/device-taint-rule.ts';
import { resourceV1, resourceV1beta2 } from '../../../api/refs.ts';
import type { ResourceSlice } from '../../../api/type/resource-v1.ts';
import type { DeviceTaintRule } from '../../../api/type/resource-v1beta2.ts';
import type { InformerFactory } from '../../../client/informer.ts';
import type { DeviceIndex } from './device-index.ts';

export class SliceTracker {
  readonly #informers: InformerFactory;
  readonly #index: DeviceIndex;
  /** As they came, by name. */
  readonly #slices = new Map<string, ResourceSlice>();
  readonly #rules = new Map<string, DeviceTaintRule>();
  #followsRules = false;

  constructor(informers: InformerFactory, index: DeviceIndex) {
    this.#informers = informers;
    this.#index = index;
    informers.informer(resourceV1.resourceslices).addHandler({
      onAdd: slice => this.#set(slice),
      onUpdate: (slice, old) => this.#set(slice, old),
      onDelete: slice => {
        this.#slices.delete(slice.metadata.name!);
        index.delete(slice);
      },
    });
  }

  /** From now on rules count; the server must serve them. May be called again. */
  followRules(): void {
    if (this.#followsRules) return;
    this.#followsRules = true;
    const changed = (rule: DeviceTaintRule, now: DeviceTaintRule | undefined, old?: DeviceTaintRule) => {
      if (now) this.#rules.set(rule.metadata.name!, now);
      else this.#rules.delete(rule.metadata.name!);
      const touched = [rule, ...(old ? [old] : [])];
      // A slice that either of them is about.
      for (const slice of this.#slices.values()) if (taintedByRules(slice, touched) !== slice) this.#set(slice, slice);
    };
    this.#informers.informer(resourceV1beta2.devicetaintrules).addHandler({
      onAdd: rule => changed(rule, rule),
      onUpdate: (rule, old) => changed(rule, rule, old),
      onDelete: rule => changed(rule, undefined),
    });
  }

  #set(slice: ResourceSlice, old?: ResourceSlice): void {
    this.#slices.set(slice.metadata.name!, slice);
    this.#index.set(taintedByRules(slice, [...this.#rules.values()]), old);
  }
}
