// What drivers say of their devices' health; who says nothing for too long is not believed any more.
import type { Clock, Timer } from '../../base/clock.ts';
import type { DeviceHealthReport } from './dra-api.ts';
import type { ClaimDevice } from './kernel/claim-book.ts';

export interface DeviceHealth {
  readonly health: 'Healthy' | 'Unhealthy' | 'Unknown';
  readonly message?: string;
}

const names = { HEALTHY: 'Healthy', UNHEALTHY: 'Unhealthy', UNKNOWN: 'Unknown' } as const;
const defaultTimeoutMs = 30_000;
const unknown: DeviceHealth = { health: 'Unknown' };

export class DraHealthBook {
  readonly #clock: Clock;
  readonly #onChange: (driver: string, devices: ReadonlySet<string>) => void;
  /** By driver, then by `pool/device`. */
  readonly #known = new Map<string, Map<string, DeviceHealth & { readonly expiry: Timer }>>();

  constructor(clock: Clock, onChange: (driver: string, devices: ReadonlySet<string>) => void) {
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /** All devices of a driver: those it no longer names are not known any more. */
  take(driver: string, reports: readonly DeviceHealthReport[]): void {
    const before = this.#known.getOrInsertComputed(driver, () => new Map());
    const after = new Map<string, DeviceHealth & { readonly expiry: Timer }>();
    for (const r of reports) {
      const device = `${r.device?.pool_name}/${r.device?.device_name}`;
      const timeoutMs = r.health_check_timeout_seconds > 0 ? r.health_check_timeout_seconds * 1000 : defaultTimeoutMs;
      const expiry = this.#clock.after(timeoutMs, () => this.#expire(driver, device));
      after.set(device, { health: names[r.health] ?? 'Unknown', ...(r.message ? { message: r.message } : {}), expiry });
    }
    for (const { expiry } of before.values()) expiry.cancel();
    this.#known.set(driver, after);
    const isNews = (d: string) =>
      before.get(d)?.health !== after.get(d)?.health || before.get(d)?.message !== after.get(d)?.message;
    const changed = new Set([...before.keys(), ...after.keys()].filter(isNews));
    if (changed.size) this.#onChange(driver, changed);
  }

  #expire(driver: string, device: string): void {
    if (this.#known.get(driver)?.delete(device)) this.#onChange(driver, new Set([device]));
  }

  of({ driver, pool, device }: ClaimDevice): DeviceHealth {
    const found = this.#known.get(driver)?.get(`${pool}/${device}`);
    if (!found) return unknown;
    return { health: found.health, ...(found.message ? { message: found.message } : {}) };
  }

  stop(): void {
    for (const devices of this.#known.values()) for (const { expiry } of devices.values()) expiry.cancel();
  }
}
