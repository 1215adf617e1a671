// Keeps routes to the other nodes' pods, from Node objects. Nodes must share a link.
import { coreV1 } from '../api/refs.ts';
import type { Node } from '../api/type/core-v1.ts';
import type { Clock, Timer } from '../base/clock.ts';
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
  /** What runs `nft` and `ip`; tests pass their own. */
  readonly exec?: typeof exec;
}

const retryMs = 5_000;

export function createNodeRoutes(options: NodeRoutesOptions): Service {
  return { name: 'node-routes', run: signal => new NodeRoutes(options).run(signal) };
}

class NodeRoutes {
  readonly #o: NodeRoutesOptions;
  readonly #exec: typeof exec;
  /** What the kernel has of ours; undefined when unknown. */
  #have: Routes | undefined;
  /** What could not be set, until it is to be tried again: every heartbeat of a node wakes this. */
  #refused: Routes | undefined;
  #retry: Timer | undefined;
  #wake = Promise.withResolvers<void>();

  constructor(options: NodeRoutesOptions) {
    this.#o = options;
    this.#exec = options.exec ?? exec;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { informers, podCidr, nodeCidr } = this.#o;
    const nodes = informers.informer<Node>(coreV1.nodes);
    const wake = () => this.#wake.resolve();
    const off = nodes.addHandler({ onAdd: wake, onUpdate: wake, onDelete: wake });
    signal.addEventListener('abort', wake, { once: true });
    try {
      await this.#exec('nft', ['-f', '-'], { input: masqueradeRules(podCidr, nodeCidr) });
      // Routes of an earlier life stay until it is known which are still wanted.
      await nodes.whenSynced(signal).catch(() => {});
      while (!signal.aborted) {
        this.#wake = Promise.withResolvers<void>();
        await this.#sync(nodes.lister.list());
        await this.#wake.promise;
      }
    } finally {
      off();
      this.#retry?.cancel();
    }
  }

  async #sync(nodes: readonly Node[]): Promise<void> {
    const { nodeName, link, clock, log } = this.#o;
    const want = planRoutes(nodes, nodeName);
    if (this.#refused && routeChanges(this.#refused, want, link).length === 0) return;
    this.#retry?.cancel();
    this.#refused = undefined;
    try {
      this.#have ??= parseRouteList(await this.#exec('ip', ['-json', 'route', 'show', 'proto', String(routeProtocol)]));
      const lines = routeChanges(this.#have, want, link);
      if (lines.length === 0) return;
      await this.#exec('ip', ['-force', '-batch', '-'], { input: `${lines.join('\n')}\n` });
      this.#have = want;
      log.info('routes to other nodes changed', { changes: lines.length, routes: want.size });
    } catch (error) {
      this.#have = undefined;
      this.#refused = want;
      this.#retry = clock.after(retryMs, () => {
        this.#refused = undefined;
        this.#wake.resolve();
      });
      log.warn('setting routes to other nodes failed', { error });
    }
  }
}
