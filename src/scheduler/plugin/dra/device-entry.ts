// Devices as the scheduler knows them.
import type { Quantity } from '../../../api/quantity.ts';
import type { Device, ResourceSlice } from '../../../api/type/resource-v1.ts';

/** A selector that cannot be told: whose, which of them, and what it said. */
export interface SelectorFault {
  readonly of: 'class' | 'claim';
  readonly index: number;
  readonly message: string;
}

export type Verdict = boolean | SelectorFault;

/** The same for the same expressions: verdicts are kept under it. */
export interface SelectorSet {
  readonly ofClass: readonly string[];
  readonly ofClaim: readonly string[];
}

/** `driver/pool/device`. */
export type DeviceId = string;
export const deviceId = (driver: string, pool: string, device: string): DeviceId => `${driver}/${pool}/${device}`;

/** Changed only by being replaced. */
export interface DeviceEntry {
  readonly id: DeviceId;
  readonly device: Device;
  readonly slice: ResourceSlice;
  readonly pool: Pool;
  /** May be given to several claims at once. */
  readonly shared: boolean;
  /** By selectors; filled as they are asked. */
  readonly verdicts: Map<SelectorSet, Verdict>;
}

/** The slices of the pool's newest generation. */
export interface Pool {
  /** `driver/pool`. */
  readonly id: string;
  readonly driver: string;
  readonly name: string;
  readonly complete: boolean;
  /** Why nothing may be taken from it; '' when it may. */
  readonly invalid: string;
  readonly devices: readonly DeviceEntry[];
  /** What its devices share, by counter set and counter. */
  readonly counters: ReadonlyMap<string, ReadonlyMap<string, Quantity>>;
  /** Names of nodes it is tied to; undefined when some of its devices are elsewhere too. */
  readonly nodes: ReadonlySet<string> | undefined;
}

/** The devices of a pool that a node reaches. */
export interface PoolView {
  readonly pool: Pool;
  readonly devices: readonly DeviceEntry[];
}

export interface NodeView {
  /** By driver and pool name. */
  readonly pools: readonly PoolView[];
  /** Devices that selectors let pass (or fail on), in the order they are to be tried; filled as they are asked. */
  readonly candidates: Map<SelectorSet, readonly DeviceEntry[]>;
}
