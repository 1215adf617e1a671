// Who watches and writes what, as text: `k8ts controllers graph`.
import type { ResourceRef } from '../api/ref.ts';
import type { Controller } from './controller.ts';

/** `deployments.apps`, `pods`. */
function nameOf(r: ResourceRef): string {
  return r.group ? `${r.resource}.${r.group}` : r.resource;
}

const sorted = (names: Iterable<string>): string[] => [...new Set(names)].sort();

/** Each controller with what it watches, reads and writes; then each resource with those who touch it. */
export function controllerGraph(controllers: readonly Controller[]): string {
  const byName = [...controllers].sort((a, b) => (a.name < b.name ? -1 : 1));
  const out: string[] = [];
  const touching = new Map<string, { writers: Set<string>; watchers: Set<string>; readers: Set<string> }>();
  const touch = (resource: string) =>
    touching.getOrInsertComputed(resource, () => ({ writers: new Set(), watchers: new Set(), readers: new Set() }));
  for (const c of byName) {
    const watches = sorted(c.watches.map(w => nameOf(w.resource)));
    const reads = sorted((c.reads ?? []).map(nameOf)).filter(r => !watches.includes(r));
    const writes = sorted(c.writes);
    out.push(c.name, ...line('watches', watches), ...line('reads', reads), ...line('writes', writes), '');
    for (const r of watches) touch(r).watchers.add(c.name);
    for (const r of reads) touch(r).readers.add(c.name);
    for (const w of writes) touch(w).writers.add(c.name);
  }
  for (const resource of sorted(touching.keys())) {
    const { writers, watchers, readers } = touch(resource);
    out.push(
      resource,
      ...line('written by', sorted(writers)),
      ...line('watched by', sorted(watchers)),
      ...line('read by', sorted(readers)),
      '',
    );
  }
  return out.join('\n');
}

function line(label: string, names: readonly string[]): string[] {
  return names.length > 0 ? [`  ${label.padEnd(10)} ${names.join(', ')}`] : [];
}
