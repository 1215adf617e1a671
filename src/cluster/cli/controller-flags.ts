// Flags of kube-controller-manager that tune single controllers.
import type { Command } from 'commander';
import { parseDuration } from '../../api/scalar.ts';
import { messageOf } from '../../base/assert.ts';
import type { ControllerTuning } from '../../controllers/tuning.ts';
import { CliError, exitCode } from './exit.ts';

type Value = 'duration' | 'count' | 'number' | 'list';
type Parsed<V extends Value> = V extends 'list' ? readonly string[] : number;
interface Flag {
  readonly name: string;
  readonly value: Value;
  readonly help: string;
  readonly tune: (value: any) => ControllerTuning;
}

/** Durations reach `tune` in milliseconds. */
const flag = <V extends Value>(
  name: string,
  value: V,
  help: string,
  tune: (value: Parsed<V>) => ControllerTuning,
): Flag => ({ name, value, help, tune });

const flags: readonly Flag[] = [
  flag('node-monitor-period', 'duration', 'how often nodes are looked at', periodMs => ({
    nodeLifecycle: { periodMs },
  })),
  flag('node-monitor-grace-period', 'duration', 'how long a node may be silent', graceMs => ({
    nodeLifecycle: { graceMs },
  })),
  flag('node-startup-grace-period', 'duration', 'the same while it starts', startupGraceMs => ({
    nodeLifecycle: { startupGraceMs },
  })),
  flag('node-eviction-rate', 'number', 'nodes a second that are tainted in a healthy zone', evictionQps => ({
    nodeLifecycle: { evictionQps },
  })),
  flag('secondary-node-eviction-rate', 'number', 'the same in an unhealthy zone', secondaryEvictionQps => ({
    nodeLifecycle: { secondaryEvictionQps },
  })),
  flag('large-cluster-size-threshold', 'count', 'nodes from which a zone is large', largeClusterThreshold => ({
    nodeLifecycle: { largeClusterThreshold },
  })),
  flag(
    'unhealthy-zone-threshold',
    'number',
    'share of silent nodes that make a zone unhealthy',
    unhealthyThreshold => ({
      nodeLifecycle: { unhealthyThreshold },
    }),
  ),
  flag('terminated-pod-gc-threshold', 'count', 'finished pods that may exist; 0: any number', terminatedThreshold => ({
    podGc: { terminatedThreshold },
  })),
  flag('horizontal-pod-autoscaler-sync-period', 'duration', 'how often metrics are looked at', syncPeriodMs => ({
    autoscaler: { syncPeriodMs },
  })),
  flag(
    'horizontal-pod-autoscaler-downscale-stabilization',
    'duration',
    'how long the highest recommendation holds',
    downscaleStabilizationMs => ({ autoscaler: { downscaleStabilizationMs } }),
  ),
  flag('horizontal-pod-autoscaler-tolerance', 'number', 'how far from one the ratio may be', tolerance => ({
    autoscaler: { tolerance },
  })),
  flag(
    'horizontal-pod-autoscaler-cpu-initialization-period',
    'duration',
    'how long the processor usage of a new pod is not counted',
    cpuInitializationMs => ({ autoscaler: { delays: { cpuInitializationMs } } }),
  ),
  flag(
    'horizontal-pod-autoscaler-initial-readiness-delay',
    'duration',
    'how long a new pod may turn not ready without having been ready',
    initialReadinessMs => ({ autoscaler: { delays: { initialReadinessMs } } }),
  ),
  flag('max-endpoints-per-slice', 'count', 'endpoints of an EndpointSlice', maxPerSlice => ({
    endpointSlice: { maxPerSlice },
  })),
  flag('mirroring-max-endpoints-per-subset', 'count', 'endpoints mirrored of a subset', maxPerSubset => ({
    mirroring: { maxPerSubset },
  })),
  flag('pvclaimbinder-sync-period', 'duration', 'how often unbound volumes are looked at', resyncMs => ({
    volumeBinder: { resyncMs },
  })),
  flag('cluster-signing-duration', 'duration', 'the longest life of signed certificates', signingTtlMs => ({
    signingTtlMs,
  })),
  flag('node-cidr-mask-size-ipv4', 'count', "length of a node's IPv4 range", maskIpv4 => ({ nodeCidrs: { maskIpv4 } })),
  flag('node-cidr-mask-size-ipv6', 'count', "length of a node's IPv6 range", maskIpv6 => ({ nodeCidrs: { maskIpv6 } })),
  flag('service-cluster-ip-range', 'list', 'CIDRs that nodes get no part of', serviceCidrs => ({
    nodeCidrs: { serviceCidrs },
  })),
];
const keepForced = 'disable-force-detach-on-timeout';

export function addControllerFlags(command: Command): Command {
  for (const { name, value, help } of flags) command.option(`--${name} <${value}>`, help);
  return command.option(`--${keepForced}`, 'detach no volume that an unhealthy node has not unmounted');
}

/** What the flags say; `values` by their names in camel case. Throws a usage error that names the flag. */
export function tuningOf(values: Readonly<Record<string, unknown>>): ControllerTuning {
  let tuning: ControllerTuning = values[camel(keepForced)] ? { attachDetach: { maxWaitForUnmountMs: undefined } } : {};
  for (const { name, value, tune } of flags) {
    const text = values[camel(name)];
    if (typeof text === 'string') tuning = merge(tuning, tune(parse(name, value, text)));
  }
  return tuning;
}

const camel = (name: string): string => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());

function parse(name: string, value: Value, text: string): number | readonly string[] {
  const fail = (why: string): never => {
    throw new CliError(`invalid argument ${JSON.stringify(text)} for "--${name}" flag: ${why}`, exitCode.usage);
  };
  if (value === 'list') return text.split(',').map(t => t.trim());
  if (value === 'duration') {
    try {
      return parseDuration(text) / 1e6;
    } catch (error) {
      return fail(messageOf(error));
    }
  }
  const number = Number(text);
  const valid =
    text.trim() !== '' && number >= 0 && (value === 'count' ? Number.isInteger(number) : Number.isFinite(number));
  return valid ? number : fail(value === 'count' ? 'want a whole number' : 'want a number');
}

/** Maps merge, one within the other; what comes last counts. */
function merge<T extends object>(into: T, from: T): T {
  const out = { ...into } as Record<string, unknown>;
  for (const [key, value] of Object.entries(from)) {
    const old = out[key];
    const both = isMap(old) && isMap(value);
    out[key] = both ? merge(old, value) : value;
  }
  return out as T;
}

const isMap = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value);
