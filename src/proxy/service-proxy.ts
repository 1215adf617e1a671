// The service proxy: keeps nftables in step with services and endpoints, one transaction at a time.
import { coreV1, discoveryV1 } from '../api/refs.ts';
import type { Service as KubeService, Node } from '../api/type/core-v1.ts';
import type { EndpointSlice } from '../api/type/discovery-v1.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { runAll, type Service } from '../base/lifecycle.ts';
import type { Log } from '../base/log.ts';
import { createMetrics, type Metrics } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import { BackOff } from '../client/back-off.ts';
import type { InformerFactory } from '../client/informer.ts';
import type { SeriesRecorder } from '../client/series-recorder.ts';
import { Conntrack } from './conntrack.ts';
import { HealthCheckServers } from './health-check-servers.ts';
import { rememberedClients } from './kernel/affinity.ts';
import { baseScript } from './kernel/base-rules.ts';
import { nodePlace, nodePortAddresses } from './kernel/node.ts';
import { type Family, tableName, wordsOf } from './kernel/rule-set.ts';
import { type Changes, RuleTable } from './kernel/rule-table.ts';
import { ofFamily, ServiceMap } from './kernel/service-map.ts';
import { proxyHealth } from './proxy-health.ts';
import { type ProxyMetrics, proxyMetrics } from './proxy-metrics.ts';
import type { RunCommand } from './run-command.ts';

export interface ServiceProxyOptions {
  readonly nodeName: string;
  /** The node's addresses, the first of each family is its primary one. */
  readonly nodeAddresses: readonly string[];
  readonly podCidrs: readonly string[];
  readonly serviceCidrs: readonly string[];
  /** Must be allowed to list and watch services, endpointslices and nodes. */
  readonly informers: InformerFactory;
  /** In the node's network namespace. */
  readonly run: RunCommand;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** Told when it starts. */
  readonly events?: SeriesRecorder;
  /**
   * `primary` (default): the first node address of each family; else ranges of addresses that accept node ports. Never
   * loopback: as with kube-proxy's nftables mode, `localhost:NODEPORT` leads nowhere.
   */
  readonly nodePortAddresses?: readonly string[];
  readonly masqueradeAll?: boolean;
  /** Whether `spec.externalIPs` of services lead to them (AllowServiceExternalIPs). Default true. */
  readonly externalIps?: boolean;
  /** Address and port of /healthz and /livez. Default: all addresses, 10256; null: none. */
  readonly healthz?: { readonly host: string; readonly port: number } | null;
  /** Address and port of /metrics. Default 127.0.0.1:10249; null: none. */
  readonly metricsAt?: { readonly host: string; readonly port: number } | null;
  /** Called after each transaction the kernel took. */
  readonly onSync?: (lines: number) => void;
}

/** Changes that come together go into one transaction. */
const gatherMs = 3;
const firstRetryMs = 500;
const maxRetryMs = 30_000;
/** How often it is looked whether the table is still there: another program may flush all rules. */
const checkMs = 30_000;

export function createServiceProxy(options: ServiceProxyOptions): Service {
  return { name: 'proxy', run: signal => new ServiceProxy(options).run(signal) };
}

class ServiceProxy {
  readonly #o: ServiceProxyOptions;
  readonly #services: ServiceMap;
  readonly #families: readonly Family[];
  readonly #tables: ReadonlyMap<Family, RuleTable>;
  readonly #dirty = new Set<string>();
  /** Families whose table in the kernel is unknown or wrong. */
  readonly #broken: Set<Family>;
  readonly #metrics: ProxyMetrics;
  readonly #health: HealthCheckServers;
  readonly #conntrack: Conntrack;
  readonly #backOff: BackOff;
  #node: Node | undefined;
  #place = '';
  #wake = Promise.withResolvers<void>();
  #lastSyncMs: number | undefined;
  #queuedMs: number | undefined;

  constructor(options: ServiceProxyOptions) {
    this.#o = options;
    this.#services = new ServiceMap({ externalIps: options.externalIps });
    const addresses = [...options.nodeAddresses, ...options.podCidrs];
    this.#families = ([4, 6] as const).filter(f => addresses.some(a => a.includes(':') === (f === 6)));
    this.#tables = new Map(this.#families.map(f => [f, new RuleTable(f)]));
    this.#broken = new Set(this.#families);
    this.#backOff = new BackOff({ initialMs: firstRetryMs, maxMs: maxRetryMs }, options.clock, options.random);
    this.#metrics = proxyMetrics(options.metrics ?? createMetrics());
    this.#health = new HealthCheckServers({
      clock: options.clock,
      log: options.log,
      healthy: () => this.#lastSyncMs !== undefined,
    });
    this.#conntrack = new Conntrack(options.run, options.log, this.#metrics);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, healthz, metricsAt } = this.#o;
    const health = proxyHealth({
      clock,
      log: this.#o.log,
      metrics: this.#metrics,
      node: () => this.#node,
      state: () => ({ lastSyncMs: this.#lastSyncMs, queuedMs: this.#queuedMs }),
      ...(healthz === undefined ? {} : { healthz }),
      ...(metricsAt === undefined ? {} : { metricsAt }),
    });
    const rules: Service = { name: 'proxy rules', run: s => this.#keep(s) };
    const checks: Service = { name: 'proxy check', run: s => this.#check(s) };
    await runAll([rules, checks, health, { name: 'service health checks', run: s => this.#health.run(s) }], signal);
  }

  async #keep(signal: AbortSignal): Promise<void> {
    const { informers, clock } = this.#o;
    const services = informers.informer<KubeService>(coreV1.services);
    const slices = informers.informer<EndpointSlice>(discoveryV1.endpointslices);
    const nodes = informers.informer<Node>(coreV1.nodes);
    const removals = [
      services.addHandler({
        onAdd: s => this.#changed(this.#services.putService(s), 'service'),
        onUpdate: s => this.#changed(this.#services.putService(s), 'service'),
        onDelete: s => this.#changed(this.#services.deleteService(s), 'service'),
      }),
      slices.addHandler({
        onAdd: s => this.#changed(this.#services.putSlice(s), 'endpoints'),
        onUpdate: (s, old) => {
          if (s.metadata.labels !== old.metadata.labels) this.#changed(this.#services.deleteSlice(old), 'endpoints');
          this.#changed(this.#services.putSlice(s), 'endpoints');
        },
        onDelete: s => this.#changed(this.#services.deleteSlice(s), 'endpoints'),
      }),
      nodes.addHandler({
        onAdd: n => this.#seeNode(n),
        onUpdate: n => this.#seeNode(n),
        onDelete: n => this.#seeNode(n, true),
      }),
    ];
    const wake = () => this.#wake.resolve();
    signal.addEventListener('abort', wake, { once: true });
    try {
      // Half of the picture would cut off services that work: until all is known, an earlier life's rules stay.
      await Promise.all([services, slices].map(i => i.whenSynced(signal))).catch(() => {});
      if (!signal.aborted) this.#tellStart();
      while (!signal.aborted) {
        this.#wake = Promise.withResolvers<void>();
        const done = await this.#sync();
        if (done) this.#backOff.reset();
        // What changes meanwhile does not have to wait for the next attempt: it may be the remedy.
        if (!done) clock.after(this.#backOff.delayMs(), () => this.#wake.resolve());
        else if (this.#dirty.size > 0) wake();
        await this.#wake.promise;
        await clock.sleep(gatherMs, signal).catch(() => {});
      }
    } finally {
      for (const remove of removals) remove();
    }
  }

  /** Only once the server lets it list: one that is still starting refuses an event for good. */
  #tellStart(): void {
    const { events, nodeName } = this.#o;
    // As kube-proxy's own: the name stands for the node's uid, and there is nothing more to say.
    const node = { kind: 'Node', name: nodeName, uid: nodeName };
    events?.event(node, 'Normal', 'Starting', '', { action: 'StartKubeProxy', once: true });
  }

  async #check(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#o.clock.sleep(checkMs, signal).catch(() => {});
      if (signal.aborted) return;
      for (const family of this.#families) {
        if (this.#broken.has(family)) continue;
        const { table } = wordsOf(family);
        const there = await this.#o.run('nft', ['list', 'chain', table, tableName, 'nat-prerouting']).then(
          text => text.includes('jump services'),
          () => false,
        );
        if (there || signal.aborted) continue;
        this.#o.log.warn('the rules for services are gone; writing them again', { family });
        this.#broken.add(family);
        this.#wake.resolve();
      }
    }
  }

  #changed(key: string | undefined, what: 'service' | 'endpoints'): void {
    this.#metrics.changed(what);
    if (key === undefined) return;
    this.#queuedMs ??= this.#o.clock.now();
    this.#dirty.add(key);
    this.#wake.resolve();
  }

  #seeNode(node: Node, deleted = false): void {
    if (node.metadata.name !== this.#o.nodeName) return;
    this.#node = deleted ? undefined : node;
    const place = JSON.stringify(nodePlace(this.#o.nodeName, this.#node));
    if (place === this.#place) return;
    this.#place = place;
    for (const key of this.#services.keys()) this.#dirty.add(key);
    this.#wake.resolve();
  }

  /** False when it has to be tried again. */
  async #sync(): Promise<boolean> {
    const { clock, podCidrs, onSync } = this.#o;
    const started = clock.monotonic();
    const queued = [...this.#dirty];
    this.#dirty.clear();
    const queuedMs = this.#queuedMs;
    this.#queuedMs = undefined;
    const nodePorts = nodePortAddresses(this.#o.nodeAddresses, this.#o.nodePortAddresses ?? ['primary']);
    const place = nodePlace(this.#o.nodeName, this.#node);
    for (const key of queued) {
      const plan = this.#services.plan(key, this.#families, { ...place, podCidrs });
      for (const [family, table] of this.#tables) table.set(key, plan?.rules.get(family));
      this.#health.set(key, plan?.healthCheck);
      this.#conntrack.set(key, plan?.udp);
      this.#metrics.withoutLocal(key, plan?.withoutLocal);
    }
    for (const [family, table] of this.#tables) {
      const elements = ofFamily(nodePorts, family).map(key => ({ set: 'nodeport-ips', key }));
      table.set('', { elements, chains: [], sets: [] });
    }
    const full = this.#broken.size > 0;
    let lines = 0;
    for (const family of this.#families) {
      const written = await this.#apply(family);
      if (written === undefined) {
        this.#queuedMs = queuedMs ?? clock.now();
        return false;
      }
      lines += written;
    }
    this.#lastSyncMs = clock.now();
    this.#metrics.synced(
      full,
      clock.monotonic() - started,
      clock.now(),
      new Map(queued.map(k => [k, this.#triggers(k)])),
    );
    if (lines > 0) onSync?.(lines);
    // The new rules first: what is forgotten before would be remembered wrongly again.
    await this.#conntrack.clean(new Set(nodePorts));
    return true;
  }

  /** Lines written; undefined when the kernel did not take them. */
  async #apply(family: Family): Promise<number | undefined> {
    const { podCidrs, serviceCidrs, masqueradeAll = false, run, log } = this.#o;
    const table = this.#tables.get(family)!;
    const base = () =>
      baseScript({
        family,
        podCidrs: ofFamily(podCidrs, family),
        serviceCidrs: ofFamily(serviceCidrs, family),
        masqueradeAll,
      });
    const full = this.#broken.has(family);
    const changes: Changes = full ? table.rebuild() : table.changes();
    const lines = full ? [...base(), ...changes.lines, ...(await this.#remembered(family, changes))] : changes.lines;
    try {
      if (lines.length > 0) await run('nft', ['-f', '-'], `${lines.join('\n')}\n`);
      table.commit(changes);
      this.#broken.delete(family);
      return lines.length;
    } catch (error) {
      this.#metrics.failed();
      this.#broken.add(family);
      log.warn('writing the rules for services failed; starting over', { family, error: messageOf(error) });
      return undefined;
    }
  }

  /** A restart of this process is none of the clients' business: who has an endpoint keeps it. */
  async #remembered(family: Family, { after }: Changes): Promise<string[]> {
    const sets = new Set([...after.values()].flatMap(item => (item?.kind === 'set' ? [item.name] : [])));
    if (sets.size === 0) return [];
    try {
      return rememberedClients(family, sets, await this.#o.run('nft', ['-j', 'list', 'sets', wordsOf(family).table]));
    } catch (error) {
      this.#o.log.warn('reading which client goes where failed', { family, error: messageOf(error) });
      return [];
    }
  }

  #triggers(key: string): string[] {
    return [...this.#services.slicesOf(key)].flatMap(s => {
      const time = s.metadata.annotations?.['endpoints.kubernetes.io/last-change-trigger-time'];
      return time ? [time] : [];
    });
  }
}
