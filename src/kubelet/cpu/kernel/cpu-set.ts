// Sets of CPUs as kernel and Kubernetes write them: `0-3,8`.

export type CpuSet = ReadonlySet<number>;

export const noCpus: CpuSet = new Set();

/** Throws when it is no list of numbers and ranges. Empty text is an empty set. */
export function parseCpus(text: string): CpuSet {
  const cpus = new Set<number>();
  if (!text.trim()) return cpus;
  for (const part of text.trim().split(',')) {
    const [, from, to = from] = /^\s*(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(part) ?? [];
    if (!from || Number(to) < Number(from))
      throw new Error(`unable to parse ${JSON.stringify(text)} as a list of CPUs`);
    for (let cpu = Number(from); cpu <= Number(to); cpu++) cpus.add(cpu);
  }
  return cpus;
}

export const sortedCpus = (cpus: Iterable<number>): number[] => [...cpus].sort((a, b) => a - b);

export function formatCpus(cpus: CpuSet): string {
  const ranges: [number, number][] = [];
  for (const cpu of sortedCpus(cpus)) {
    const last = ranges.at(-1);
    if (last && cpu === last[1] + 1) last[1] = cpu;
    else ranges.push([cpu, cpu]);
  }
  return ranges.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join(',');
}

export const sameCpus = (a: CpuSet, b: CpuSet): boolean => a.size === b.size && a.isSubsetOf(b);
