// What a node tells of processor and memory at one moment, and how it is read from the kubelet's /metrics/resource.

/** Counters of one container, or of a node. */
export interface Counters {
  /** When they were read, milliseconds since the epoch. */
  readonly atMs: number;
  /** Processor time used since the start. */
  readonly cpuNanoseconds: number;
  readonly memoryBytes: number;
  /** When the container began; 0: unknown. */
  readonly startMs: number;
}

export interface UsageReading {
  readonly node: Counters | undefined;
  /** By `namespace/name` of the pod, then by container. */
  readonly pods: ReadonlyMap<string, ReadonlyMap<string, Counters>>;
}

interface Half {
  atMs: number;
  cpuNanoseconds?: number;
  memoryBytes?: number;
  startMs?: number;
}

const line = /^(\w+)(?:\{([^}]*)\})?\s+(\S+)(?:\s+(-?\d+))?\s*$/;
const label = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** Reads the exposition; `nowMs` where a sample carries no time. What lacks processor or memory is left out. */
export function parseReading(text: string, nowMs: number): UsageReading {
  const halves = new Map<string, Map<string, Half>>();
  let node: Half | undefined;
  for (const row of text.split('\n')) {
    if (row === '' || row.startsWith('#')) continue;
    const match = line.exec(row);
    const take = match && fields[match[1]!];
    if (!match || !take) continue;
    const value = Number(match[3]);
    if (!Number.isFinite(value)) continue;
    const atMs = match[4] ? Number(match[4]) : nowMs;
    if (match[1]!.startsWith('node_')) {
      node ??= { atMs };
      take(node, value, atMs);
      continue;
    }
    const labels = labelsOf(match[2] ?? '');
    const containers = halves.getOrInsertComputed(`${labels.namespace}/${labels.pod}`, () => new Map());
    take(
      containers.getOrInsertComputed(labels.container ?? '', () => ({ atMs })),
      value,
      atMs,
    );
  }
  const pods = new Map<string, Map<string, Counters>>();
  for (const [pod, containers] of halves) {
    const whole = [...containers].flatMap(([name, half]) => {
      const counters = complete(half);
      return counters ? [[name, counters] as const] : [];
    });
    if (whole.length) pods.set(pod, new Map(whole));
  }
  return { node: node && complete(node), pods };
}

const cpu = (half: Half, seconds: number, atMs: number) => {
  half.cpuNanoseconds = Math.round(seconds * 1e9);
  half.atMs = atMs;
};
const memory = (half: Half, bytes: number) => {
  half.memoryBytes = bytes;
};

const fields: Readonly<Record<string, (half: Half, value: number, atMs: number) => void>> = {
  node_cpu_usage_seconds_total: cpu,
  node_memory_working_set_bytes: memory,
  container_cpu_usage_seconds_total: cpu,
  container_memory_working_set_bytes: memory,
  container_start_time_seconds: (half, seconds) => {
    half.startMs = Math.round(seconds * 1000);
  },
};

function complete({ atMs, cpuNanoseconds, memoryBytes, startMs = 0 }: Half): Counters | undefined {
  if (cpuNanoseconds === undefined || memoryBytes === undefined) return undefined;
  return { atMs, cpuNanoseconds, memoryBytes, startMs };
}

function labelsOf(text: string): Record<string, string> {
  const out: Record<string, string> = {};
  for (const [, name, value] of text.matchAll(label))
    out[name!] = value!.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c));
  return out;
}
