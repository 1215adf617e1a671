// Which API servers there are: each keeps a Lease in kube-system alive, named after the machine it runs on, and takes
// away those of servers that are no more.
import { createHash } from 'node:crypto';
import { cloneDeep, formatMicroTime } from '../api/meta.ts';
import { coordinationV1 } from '../api/refs.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../api/status.ts';
import type { Lease } from '../api/type/coordination-v1.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { type Random, randomUuid } from '../base/random.ts';
import type { Client } from '../client/client.ts';

const namespace = 'kube-system';
const identityLabel = 'apiserver.kubernetes.io/identity';
const identity = 'kube-apiserver';
const leaseSeconds = 3600;
const renewEveryMs = 10_000;
const cleanEveryMs = 3_600_000;

export interface IdentityLeaseOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly hostname: string;
}

/** `apiserver-` and 26 characters that are the same at each start on a machine. */
export function serverIdentity(hostname: string): string {
  return `apiserver-${base32(createHash('sha256').update(hostname).digest().subarray(0, 16))}`;
}

export class IdentityLease {
  readonly name: string;
  readonly #options: IdentityLeaseOptions;
  readonly #holder: string;

  constructor(options: IdentityLeaseOptions) {
    this.#options = options;
    this.name = serverIdentity(options.hostname);
    this.#holder = `${this.name}_${randomUuid(options.random)}`;
  }

  /** Until the signal aborts; the lease then stays until it has run out, for the server may come back. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    let cleanAtMs = clock.monotonic();
    while (!signal.aborted) {
      await this.#attempt(signal, 'renewing the lease of this server', () => this.renew());
      if (clock.monotonic() >= cleanAtMs) {
        cleanAtMs += cleanEveryMs;
        await this.#attempt(signal, 'deleting leases of servers that are gone', () => this.clean());
      }
      await clock.sleep(renewEveryMs, signal).catch(() => {});
    }
  }

  async renew(): Promise<void> {
    const { client, clock, hostname } = this.#options;
    const labels = { [identityLabel]: identity, 'kubernetes.io/hostname': hostname };
    const renewTime = formatMicroTime(clock.now());
    try {
      const lease = cloneDeep(await client.get(coordinationV1.leases, { namespace, name: this.name }));
      // Who holds it stays written: it is the machine's, whichever process serves there.
      lease.metadata.labels = labels;
      lease.spec = { holderIdentity: this.#holder, ...lease.spec, leaseDurationSeconds: leaseSeconds, renewTime };
      await client.update(coordinationV1.leases, lease);
    } catch (error) {
      if (isConflict(error)) return this.renew();
      if (!isNotFound(error)) throw error;
      const spec = { holderIdentity: this.#holder, leaseDurationSeconds: leaseSeconds, renewTime };
      try {
        await client.create(coordinationV1.leases, { metadata: { name: this.name, namespace, labels }, spec });
      } catch (failure) {
        if (!isAlreadyExists(failure)) throw failure;
      }
    }
  }

  async clean(): Promise<void> {
    const { client, clock } = this.#options;
    const { items } = await client.list(coordinationV1.leases, {
      namespace,
      labelSelector: `${identityLabel}=${identity}`,
    });
    for (const lease of items) {
      if (!hasRunOut(lease, clock.now())) continue;
      try {
        const { uid, resourceVersion } = lease.metadata;
        await client.delete(coordinationV1.leases, lease.metadata, { preconditions: { uid, resourceVersion } });
      } catch (error) {
        // One that is renewed meanwhile lives.
        if (!isNotFound(error) && !isConflict(error)) throw error;
      }
    }
  }

  async #attempt(signal: AbortSignal, what: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (!signal.aborted) this.#options.log.warn(`${what} failed`, { error });
    }
  }
}

/** Also one that says nothing of its time. */
const hasRunOut = ({ spec }: Lease, nowMs: number): boolean =>
  !spec?.renewTime ||
  spec.leaseDurationSeconds === undefined ||
  Date.parse(spec.renewTime) + spec.leaseDurationSeconds * 1000 < nowMs;

function base32(bytes: Uint8Array): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz234567';
  const bits = [...bytes].map(b => b.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{1,5}/g) ?? []).map(five => letters[Number.parseInt(five.padEnd(5, '0'), 2)]).join('');
}
