// Keeps routes to the other nodes' pods, from Node objects. Nodes must share a link. A link that went down and up, a
// flushed rule set or another network's end take with them what was set here: it is looked for at a period.
import { coreV1 } from '../api/refs.ts';
import type { Node } from '../api/type/core-v1.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { runAll, type Service } from '../base/lifecycle.ts';
import type { Log } from '../base/log.ts';
import type { InformerFactory } from '../client/informer.ts';
import { exec } from './host/exec.ts';
import {
  masqueradeRules,
  masqueradeTable,
  parseRouteList,
  planRoutes,
  type RouteList,
  type Routes,
  routeChanges,
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
/** Each look starts two programs, and idle nodes are to cost next to nothing. */
const checkMs = 120_000;

export function createNodeRoutes(options: NodeRoutesOptions): Service {
  return { name: 'node-routes', run: signal => new NodeRoutes(options).run(signal) };
}

class NodeRoutes {
  readonly #o: NodeRoutesOptions;
  readonly #exec: typeof exec;
  /** What the kernel has; undefined when unknown. */
  #have: RouteList | undefined;
  /** What could not be set, until it is to be tried again: every heartbeat of a node wakes this. */
  #refused: Routes | undefined;
  #retry: Timer | undefined;
  /** Said once: a node of another agent may have an address that no route can lead to for as long as it lives. */
  #said = '';
  #wake = Promise.withResolvers<void>();

  constructor(options: NodeRoutesOptions) {
    this.#o = options;
    this.#exec = options.exec ?? exec;
  }

  async run(signal: AbortSignal): Promise<void> {
    await runAll(
      [
        { name: 'routes', run: s => this.#keep(s) },
        { name: 'routes check', run: s => this.#check(s) },
      ],
      signal,
    );
  }

  async #keep(signal: AbortSignal): Promise<void> {
    const nodes = this.#o.informers.informer<Node>(coreV1.nodes);
    const wake = () => this.#wake.resolve();
    const off = nodes.addHandler({ onAdd: wake, onUpdate: wake, onDelete: wake });
    signal.addEventListener('abort', wake, { once: true });
    try {
      await this.#masquerade();
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

  async #check(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#o;
    while (!signal.aborted) {
      await clock.sleep(checkMs, signal).catch(() => {});
      if (signal.aborted) return;
      const there = await this.#exec('nft', ['list', 'table', ...masqueradeTable]).then(
        () => true,
        () => false,
      );
      if (!there) {
        log.warn('the rules for what pods send outside are gone; writing them again');
        await this.#masquerade().catch(error => log.warn('writing the rules failed', { error }));
      }
      this.#have = undefined;
      this.#wake.resolve();
    }
  }

  #masquerade(): Promise<string> {
    return this.#exec('nft', ['-f', '-'], { input: masqueradeRules(this.#o.podCidr, this.#o.nodeCidr) });
  }

  async #shown(): Promise<RouteList> {
    const families = ['-4', '-6'].map(family => this.#exec('ip', [family, '-json', 'route', 'show']));
    return parseRouteList(await Promise.all(families));
  }

  async #sync(nodes: readonly Node[]): Promise<void> {
    const { nodeName, link, clock, log } = this.#o;
    const planned = planRoutes(nodes, nodeName);
    if (this.#refused && routeChanges(this.#refused, planned, link).length === 0) return;
    this.#retry?.cancel();
    this.#refused = undefined;
    try {
      this.#have ??= await this.#shown();
      const { ours, others } = this.#have;
      const want = new Map([...planned].filter(([range]) => !others.has(range)));
      const lines = routeChanges(ours, want, link);
      if (lines.length === 0) return;
      await this.#exec('ip', ['-force', '-batch', '-'], { input: `${lines.join('\n')}\n` });
      this.#have = { ours: want, others };
      this.#said = '';
      log.info('routes to other nodes changed', { changes: lines.length, routes: want.size });
    } catch (error) {
      this.#have = undefined;
      this.#refused = planned;
      this.#retry = clock.after(retryMs, () => {
        this.#refused = undefined;
        this.#wake.resolve();
      });
      if (this.#said !== String(error)) log.warn('setting routes to other nodes failed', { error });
      this.#said = String(error);
    }
  }
}
