import { cloneDeep, type Draft, formatMicroTime } from '../../api/meta.ts';
import { coordinationV1, coreV1 } from '../../api/refs.ts';
import { isConflict, isNotFound, StatusError } from '../../api/status.ts';
import type { Lease } from '../../api/type/coordination-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Client } from '../../client/client.ts';

export interface NodeLeaseOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
  readonly nodeName: string;
  readonly durationSeconds: number;
  /** Nobody answered, again: the connection may be dead without anybody knowing. */
  onUnanswered?(): void;
}

const namespace = 'kube-node-lease';
const maxRetryMs = 7000;

/** The node's heartbeat: renews its Lease four times in its duration. */
export class NodeLease {
  readonly #o: NodeLeaseOptions;
  #lease: Lease | undefined;

  constructor(options: NodeLeaseOptions) {
    this.#o = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const everyMs = (this.#o.durationSeconds * 1000) / 4;
    let failures = 0;
    while (!signal.aborted) {
      let waitMs = everyMs;
      try {
        await this.#renew();
        failures = 0;
      } catch (error) {
        if (isConflict(error) || isNotFound(error)) this.#lease = undefined;
        if (failures > 0 && !(error instanceof StatusError)) this.#o.onUnanswered?.();
        waitMs = Math.min(maxRetryMs, 200 * 2 ** failures++);
        this.#o.log.warn('renewing the node lease failed', { error: messageOf(error) });
      }
      await this.#o.clock.sleep(waitMs, signal).catch(() => {});
    }
  }

  async #renew(): Promise<void> {
    const { client, nodeName } = this.#o;
    if (!this.#lease) {
      try {
        this.#lease = await client.get(coordinationV1.leases, { namespace, name: nodeName });
      } catch (error) {
        if (!isNotFound(error)) throw error;
        this.#lease = await client.create(coordinationV1.leases, cloneDeep(await this.#fresh()));
        return;
      }
    }
    const owners = this.#lease.metadata.ownerReferences?.length ? {} : await this.#owner();
    const next = { ...this.#lease, metadata: { ...this.#lease.metadata, ...owners }, spec: this.#spec() };
    // As it is: no client changes what it is given.
    this.#lease = await client.update<Lease>(coordinationV1.leases, next as Draft<Lease>);
  }

  #spec() {
    const { nodeName, durationSeconds, clock } = this.#o;
    return {
      holderIdentity: nodeName,
      leaseDurationSeconds: durationSeconds,
      renewTime: formatMicroTime(clock.now()),
    };
  }

  async #fresh(): Promise<Lease> {
    const metadata = { name: this.#o.nodeName, namespace, ...(await this.#owner()) };
    return { kind: 'Lease', apiVersion: 'coordination.k8s.io/v1', metadata, spec: this.#spec() } as Lease;
  }

  /** The node, so that the lease goes with it; nothing while there is no node. */
  async #owner() {
    const { client, nodeName } = this.#o;
    try {
      const node = await client.get(coreV1.nodes, { name: nodeName });
      return {
        ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid: node.metadata.uid ?? '' }],
      };
    } catch (error) {
      if (isNotFound(error)) return {};
      throw error;
    }
  }
}
