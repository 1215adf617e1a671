// What the plugins of all profiles of a scheduler know together of devices: two of them must not give one device away.
import { resourceV1 } from '../../../api/refs.ts';
import type { DeviceClass } from '../../../api/type/resource-v1.ts';
import type { InformerFactory, Lister } from '../../../client/informer.ts';
import { ClaimTracker } from './claim-tracker.ts';
import { DeviceIndex } from './device-index.ts';
import { SelectorSets } from './device-selector.ts';
import { ExtendedResources } from './extended-resources.ts';
import { SliceTracker } from './slice-tracker.ts';

export interface DraState {
  readonly claims: ClaimTracker;
  readonly devices: DeviceIndex;
  readonly slices: SliceTracker;
  readonly sets: SelectorSets;
  readonly classes: Lister<DeviceClass>;
  readonly extended: ExtendedResources;
}

const states = new WeakMap<InformerFactory, DraState>();

export function draStateOf(informers: InformerFactory): DraState {
  let state = states.get(informers);
  if (!state) {
    state = makeState(informers);
    states.set(informers, state);
  }
  return state;
}

function makeState(informers: InformerFactory): DraState {
  const devices = new DeviceIndex();
  return {
    claims: new ClaimTracker(informers),
    devices,
    slices: new SliceTracker(informers, devices),
    sets: new SelectorSets(),
    classes: informers.informer(resourceV1.deviceclasses).lister,
    extended: new ExtendedResources(informers),
  };
}
