// The ServiceCIDR of the ranges the server was configured with: there, ready, and told of where it is another.
import { formatTime, type KubeObject } from '../../api/meta.ts';
import { networkingV1 } from '../../api/refs.ts';
import { isAlreadyExists, isNotFound } from '../../api/status.ts';
import type { ServiceCIDR } from '../../api/type/networking-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';
import type { EventRecorder } from '../../client/event-recorder.ts';

export interface DefaultServiceCidrDeps {
  readonly client: Client;
  readonly clock: Clock;
  readonly events: EventRecorder;
  readonly cidrs: readonly string[];
}

const key = { name: 'kubernetes' };
const failed = 'KubernetesDefaultServiceCIDRError';

export class DefaultServiceCidr {
  readonly #deps: DefaultServiceCidrDeps;
  #toldDiffering = false;

  constructor(deps: DefaultServiceCidrDeps) {
    this.#deps = deps;
  }

  /** One that goes is left alone: the controllers let it go when no address needs it. */
  async sync(): Promise<void> {
    const { client, cidrs } = this.#deps;
    const range = (await this.#find()) ?? (await this.#create());
    if (!range || range.metadata.deletionTimestamp) return;
    const has = range.spec.cidrs ?? [];
    if (cidrs.length === 2 && has.length === 1 && has[0] === cidrs[0]) {
      await this.#try(
        range,
        `The default ServiceCIDR can not be upgraded from ${cidrs[0]} to dual stack ${list(cidrs)} :`,
        () => client.patch(networkingV1.servicecidrs, key, { type: 'merge', body: { spec: { cidrs: [...cidrs] } } }),
      );
      return;
    }
    if (has.join() !== cidrs.join()) this.#tellDiffering(range);
    else await this.#ready(range);
  }

  async #find(): Promise<ServiceCIDR | undefined> {
    try {
      return await this.#deps.client.get(networkingV1.servicecidrs, key);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** Undefined when another server made it meanwhile. */
  async #create(): Promise<ServiceCIDR | undefined> {
    const { client, cidrs, events } = this.#deps;
    try {
      return await client.create(networkingV1.servicecidrs, { metadata: key, spec: { cidrs: [...cidrs] } });
    } catch (error) {
      if (isAlreadyExists(error)) return undefined;
      const about = { apiVersion: 'networking.k8s.io/v1', kind: 'ServiceCIDR', ...key };
      events.event(about, 'Warning', failed, 'The default ServiceCIDR can not be created');
      throw error;
    }
  }

  /** Once: nothing changes until somebody else does. */
  #tellDiffering(range: ServiceCIDR): void {
    if (this.#toldDiffering) return;
    this.#toldDiffering = true;
    const { events, cidrs } = this.#deps;
    events.event(
      range as unknown as KubeObject,
      'Warning',
      'KubernetesDefaultServiceCIDRInconsistent',
      `The default ServiceCIDR ${list(range.spec.cidrs ?? [])} does not match the controller flag configurations ${list(cidrs)}`,
    );
  }

  async #ready(range: ServiceCIDR): Promise<void> {
    const { client, clock, events } = this.#deps;
    const ready = range.status?.conditions?.find(c => c.type === 'Ready');
    if (ready?.status === 'True') return;
    // Somebody said so: it is theirs to take back.
    if (ready?.status === 'False')
      return events.event(range as unknown as KubeObject, 'Warning', ready.reason ?? '', ready.message ?? '');
    const condition = {
      type: 'Ready',
      status: 'True',
      lastTransitionTime: formatTime(clock.now()),
      reason: '',
      message: 'Kubernetes default Service CIDR is ready',
    };
    await this.#try(range, 'The default ServiceCIDR Status can not be set to Ready=True', () =>
      client.patch(
        networkingV1.servicecidrs,
        key,
        { type: 'merge', body: { status: { conditions: [condition] } } },
        { subresource: 'status' },
      ),
    );
  }

  async #try(range: ServiceCIDR, what: string, act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
    } catch (error) {
      const message = what.endsWith(':') ? `${what} ${messageOf(error)}` : what;
      this.#deps.events.event(range as unknown as KubeObject, 'Warning', failed, message);
      throw error;
    }
  }
}

const list = (cidrs: readonly string[]): string => `[${cidrs.join(' ')}]`;
