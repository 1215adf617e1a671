// Which network is reached how (--egress-selector-config-file), and what is counted of it.
import type { Clock } from '../../base/clock.ts';
import type { Dial } from '../../base/http/dial.ts';
import { authorityOf } from '../../base/http/upgrade-request.ts';
import { CellCounter, CellHistogram } from '../../base/metric-cells.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { Random } from '../../base/random.ts';
import { GrpcTunnels } from './grpc-tunnel.ts';
import { connectThrough } from './http-connect.ts';
import { type DialStage, ProxyError } from './proxy-error.ts';
import type { EgressProxies, EgressProxy } from './proxy-settings.ts';

export interface EgressDeps {
  readonly proxies: EgressProxies;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: Metrics;
}

/** Absent: from here, as everything else. */
export interface Egress {
  /** Nodes, pods, services, webhooks and aggregated servers behind them. */
  readonly cluster?: Dial;
  /** Webhooks that kubeconfigs lead to. */
  readonly controlplane?: Dial;
  close(): void;
}

export function createEgress({ proxies, clock, random, metrics }: EgressDeps): Egress {
  const counts = egressMetrics(metrics);
  const closes: (() => void)[] = [];
  const dialerOf = (selected: EgressProxy | undefined): Dial | undefined => {
    if (!selected) return undefined;
    const labels = { protocol: selected.protocol, transport: 'socketPath' in selected.proxy ? 'uds' : 'tcp' };
    const through = throughOf(selected);
    return async (host, port) => {
      counts.began(labels);
      const startMs = clock.monotonic();
      try {
        const connection = await through(host, port);
        counts.took(labels, (clock.monotonic() - startMs) / 1000);
        return connection;
      } catch (error) {
        counts.failed(labels, error instanceof ProxyError ? error.stage : 'connect');
        throw error;
      }
    };
  };
  const throughOf = (selected: EgressProxy): Dial => {
    if (selected.protocol === 'http_connect')
      return (host, port) => connectThrough(selected.proxy, { host, port }, clock);
    const bits = () => BigInt(Math.floor(random.next() * Number.MAX_SAFE_INTEGER));
    const tunnels = new GrpcTunnels(selected.proxy.socketPath, clock, bits);
    closes.push(() => tunnels.close());
    return (host, port) => tunnels.dial(authorityOf({ protocol: 'http:', host, port }));
  };
  const cluster = dialerOf(proxies.cluster);
  const controlplane = dialerOf(proxies.controlplane);
  return {
    ...(cluster ? { cluster } : {}),
    ...(controlplane ? { controlplane } : {}),
    close: () => {
      for (const close of closes) close();
    },
  };
}

type Labels = { readonly protocol: string; readonly transport: string };

function egressMetrics(metrics: Metrics) {
  const name = (what: string) => `apiserver_egress_dialer_dial_${what}`;
  const both = 'labeled by the protocol (http-connect or grpc)';
  const starts = new CellCounter(
    metrics,
    name('start_total'),
    `[ALPHA] Dial starts, ${both} and transport (tcp or uds).`,
  );
  const failures = new CellCounter(
    metrics,
    name('failure_count'),
    `[ALPHA] Dial failure count, ${both}, transport (tcp or uds), and stage (connect or proxy). The stage indicates at which stage the dial failed`,
  );
  const durations = new CellHistogram(
    metrics,
    name('duration_seconds'),
    `[ALPHA] Dial latency histogram in seconds, ${both}, transport (tcp or uds)`,
    [0.005, 0.025, 0.1, 0.5, 2.5, 12.5],
  );
  const keyOf = (labels: Labels) => Object.values(labels).join(' ');
  return {
    began: (labels: Labels) => starts.add(keyOf(labels), () => labels),
    failed: (labels: Labels, stage: DialStage) =>
      failures.add(`${keyOf(labels)} ${stage}`, () => ({
        protocol: labels.protocol,
        stage,
        transport: labels.transport,
      })),
    took: (labels: Labels, seconds: number): void => durations.cell(keyOf(labels), () => labels).observe(seconds),
  };
}
