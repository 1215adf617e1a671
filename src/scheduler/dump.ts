// What the scheduler believes, for people who look for a fault.
import type { Cache } from './cache/cache.ts';
import type { NodeInfo } from './cache/node-info.ts';
import type { Resources } from './kernel/resources.ts';
import type { SchedulingQueue } from './queue/scheduling-queue.ts';

const resources = (r: Resources): string => {
  const more = [...(r.scalar ?? [])].map(([name, n]) => ` ${name}=${n}`).join('');
  return `cpu=${r.milliCpu}m memory=${r.memory} ephemeral-storage=${r.ephemeralStorage}${more}`;
};

function nodeLines(node: NodeInfo, nominated: readonly { key: string }[]): string[] {
  return [
    `Node name: ${node.name}${node.node ? '' : ' (gone)'}`,
    `Requested: ${resources(node.requested)}`,
    `Allocatable: ${resources(node.allocatable)} pods=${node.allocatable.pods}`,
    `Scheduled pods (${node.pods.size}):`,
    ...[...node.pods.values()].map(p => `  ${p.key} uid=${p.uid}`),
    ...(nominated.length ? [`Nominated pods (${nominated.length}):`, ...nominated.map(p => `  ${p.key}`)] : []),
  ];
}

/** Nodes with their pods, then the queue; as text. */
export function dump(cache: Cache, queue: SchedulingQueue): string {
  const lines = ['Dump of cached nodes'];
  for (const node of cache.nodes) lines.push('', ...nodeLines(node, queue.nominator.on(node.name)));
  const assumed = [...cache.pods].filter(p => p.assumed).map(p => `  ${p.info.key} on ${p.node}`);
  lines.push('', `Assumed pods (${assumed.length}):`, ...assumed);
  const waiting = queue.list().map(e => {
    const why = [...e.unschedulablePlugins, ...e.pendingPlugins].join(',');
    return `  ${e.info.key} ${e.place} attempts=${e.attempts} priority=${e.info.priority}${why ? ` rejected by ${why}` : ''}`;
  });
  lines.push('', `Dump of scheduling queue (${waiting.length}):`, ...waiting);
  return `${lines.join('\n')}\n`;
}
