// Keeps routes to the other nodes' pods, from Node objects. Nodes must share a link.
import { coreV1 } from '../api/refs.ts';
import type { Node } from '../api/type/core-v1.ts';
import type { Clock } from '../base/clock.ts';
import type { Service } from '../base/lifecycle.ts';
import type { Log } from '../base/log.ts';
import type { InformerFactory } from '../client/informer.ts';
import { exec } from './host/exec.ts';
import {
  masqueradeRules,
  parseRouteList,
  planRoutes,
  type Routes,
  routeChanges,
  routeProtocol,
} from './kernel/route-plan.ts';

export interface NodeRoutesOptions {
  readonly nodeName: string;
  /** The link that the nodes share. */
  readonly link: string;
  readonly podCidr: string;
  readonly nodeCidr?: string;
  readonly informers: InformerFactory;
  readonly clock: Clock;
  readonly log: Log;
}

const retryMs = 5_000;

export function createNodeRoutes(options: NodeRoutesOptions): Service {
  return { name: 'node-routes', run: signal => new NodeRoutes(options).run(signal) };
}

class NodeRoutes {
  readonly #o: NodeRoutesOptions;
  /** What the kernel has of ours; undefined when unknown. */
  #have: Routes | undefined;
  #wake = Promise.withResolvers<void>();

  constructor(options: NodeRoutesOptions) {
    this.#o = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { informers, podCidr, nodeCidr } = this.#o;
    const nodes = informers.informer<Node>(coreV1.nodes);
    const wake = () => this.#wake.resolve();
    const off = nodes.addHandler({ onAdd: wake, onUpdate: wake, onDelete: wake });
    signal.addEventListener('abort', wake, { once: true });
    try {
      await exec('nft', ['-f', '-'], { input: masqueradeRules(podCidr, nodeCidr) });
      // Routes of an earlier life stay until it is known which are still wanted.
      await nodes.whenSynced(signal).catch(() => {});
      while (!signal.aborted) {
        this.#wake = Promise.withResolvers<void>();
        if (!(await this.#sync(nodes.lister.list()))) this.#o.clock.after(retryMs, wake);
        await this.#wake.promise;
      }
    } finally {
      off();
    }
  }

  /** False when it has to be tried again. */
  async #sync(nodes: readonly Node[]): Promise<boolean> {
    const want = planRoutes(nodes, this.#o.nodeName);
    try {
      this.#have ??= parseRouteList(await exec('ip', ['-json', 'route', 'show', 'proto', String(routeProtocol)]));
      const lines = routeChanges(this.#have, want, this.#o.link);
      if (lines.length === 0) return true;
      await exec('ip', ['-force', '-batch', '-'], { input: `${lines.join('\n')}\n` });
      this.#have = want;
      this.#o.log.info('routes to other nodes changed', { changes: lines.length, routes: want.size });
      return true;
    } catch (error) {
      this.#have = undefined;
      this.#o.log.warn('setting routes to other nodes failed', { error });
      return false;
    }
  }
}
