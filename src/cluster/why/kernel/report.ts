// What is known about a pod, as text for people.
import { formatTime } from '../../../api/meta.ts';
import type { ContainerStatus } from '../../../api/type/core-v1.ts';
import type { Decision, Facts, Owner } from './fact.ts';
import { waitsFor } from './waits-for.ts';

/** Sections of lines, then the sentence. */
export function report(facts: Facts): string {
  const { pod } = facts;
  const { namespace, name } = pod.metadata;
  const phase = pod.metadata.deletionTimestamp ? 'Terminating' : (pod.status?.phase ?? 'Unknown');
  const sections: [string, string[]][] = [
    ['Scheduling', scheduling(facts)],
    ['Controllers', facts.owners.map(owner)],
    ['Node', node(facts)],
    ['Volumes', volumes(facts)],
    ['Containers', containers(facts)],
    ['Events', events(facts)],
  ];
  const text = sections
    .filter(([, lines]) => lines.length)
    .map(([title, lines]) => `${title}:\n${lines.map(l => `  ${l}`).join('\n')}\n`);
  return `Pod ${namespace}/${name}: ${phase}\n${text.join('')}\n${waitsFor(facts)}\n`;
}

const at = (ms: number): string => formatTime(ms).slice(11, 19);

function scheduling({ decisions, nowMs, pod }: Facts): string[] {
  const { queue, decisions: made = [] } = decisions ?? {};
  const lines = made.flatMap(decision);
  const gates = pod.spec.schedulingGates ?? [];
  if (gates.length) lines.push(`gated by ${gates.map(g => g.name).join(', ')}`);
  if (queue) {
    const since = Math.round((nowMs - queue.addedMs) / 1000);
    const why = queue.unschedulablePlugins.length
      ? `, until something changes for ${queue.unschedulablePlugins.join(', ')}`
      : '';
    const until = queue.place === 'backoff' ? `, next try at ${at(queue.backoffUntilMs)}` : '';
    lines.push(
      `in the queue for ${since}s: ${queue.place}, ${queue.attempts} ${queue.attempts === 1 ? 'attempt' : 'attempts'}${why}${until}`,
    );
  }
  return lines;
}

function decision(d: Decision): string[] {
  const when = d.times > 1 ? `${at(d.firstMs)} to ${at(d.lastMs)}, ${d.times} times` : at(d.lastMs);
  if (d.result === 'placed') {
    const scores = d.scores?.length
      ? `; scores: ${d.scores.map(s => `${s.node} ${Math.round(s.score)}`).join(', ')}`
      : '';
    return [
      `${when} ${d.scheduler}: placed on ${d.node} (${d.feasibleNodes} of ${d.evaluatedNodes} nodes looked at would do${scores})`,
    ];
  }
  const head = `${when} ${d.scheduler}: ${d.result}: ${d.message}`;
  const groups = (d.rejected ?? []).map(r => {
    const more = r.count > r.nodes.length ? ', …' : '';
    const names = r.nodes.length ? ` (${r.nodes.join(', ')}${more})` : '';
    return `  ${r.count} ${r.count === 1 ? 'node' : 'nodes'}${names}: ${r.plugin ? `${r.plugin}: ` : ''}${r.reasons.join(', ')}`;
  });
  return [head, ...groups, ...(d.nominatedNode ? [`  room is made on ${d.nominatedNode}`] : [])];
}

function owner({ kind, metadata, spec, status }: Owner): string {
  const parts: string[] = [];
  if (spec?.replicas !== undefined)
    parts.push(`wants ${spec.replicas}, has ${status?.replicas ?? 0}, ready ${status?.readyReplicas ?? 0}`);
  if (kind === 'Job')
    parts.push(`active ${status?.active ?? 0}, succeeded ${status?.succeeded ?? 0}, failed ${status?.failed ?? 0}`);
  if (spec?.paused) parts.push('paused');
  if (spec?.suspend) parts.push('suspended');
  const bad = (status?.conditions ?? []).filter(c =>
    c.type === 'Available' || c.type === 'Progressing'
      ? c.status === 'False'
      : c.status === 'True' && /Fail/.test(c.type),
  );
  parts.push(...bad.map(c => `${c.type}=${c.status} ${c.reason ?? ''}: ${c.message ?? ''}`));
  return `${kind} ${metadata.name}${parts.length ? `: ${parts.join('; ')}` : ''}`;
}

function node({ pod, node: found, nodeUnknown }: Facts): string[] {
  const name = pod.spec.nodeName;
  if (!name) return [];
  if (!found) return [nodeUnknown ? name : `${name}: does not exist`];
  const conditions = found.status?.conditions ?? [];
  const ready = conditions.find(c => c.type === 'Ready');
  const pressed = conditions.filter(c => c.type !== 'Ready' && c.status === 'True');
  const state =
    ready?.status === 'True' ? 'ready' : `not ready (${ready?.reason ?? 'nothing heard'}: ${ready?.message ?? ''})`;
  const more = [
    ...(found.spec?.unschedulable ? ['cordoned'] : []),
    ...pressed.map(c => `${c.type}: ${c.message ?? ''}`),
  ];
  return [[`${name}: ${state}`, ...more].join('; ')];
}

const volumes = ({ claims }: Facts): string[] =>
  claims.map(({ volume, name, claim, said }) => {
    const state = claim ? (claim.status?.phase ?? 'Pending') : 'does not exist';
    const to = claim?.spec?.volumeName ? ` to ${claim.spec.volumeName}` : '';
    return `${volume}: claim ${name} ${state}${to}${said ? `: ${said}` : ''}`;
  });

function containers({ pod }: Facts): string[] {
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {};
  const probes = (name: string) => {
    const c = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].find(x => x.name === name);
    const kinds = [
      c?.startupProbe && 'startup',
      c?.readinessProbe && 'readiness',
      c?.livenessProbe && 'liveness',
    ].filter(Boolean);
    return kinds.length ? `; probes: ${kinds.join(', ')}` : '';
  };
  return [...initContainerStatuses, ...containerStatuses].map(s => `${s.name}: ${stateOf(s)}${probes(s.name)}`);
}

function stateOf({ state, lastState, ready, restartCount }: ContainerStatus): string {
  const last = lastState?.terminated;
  const before = last ? `; ended before with ${last.exitCode}${last.reason ? ` (${last.reason})` : ''}` : '';
  const restarts = restartCount ? `; ${restartCount} ${restartCount === 1 ? 'restart' : 'restarts'}` : '';
  const now = state?.running
    ? `running, ${ready ? 'ready' : 'not ready'}`
    : state?.terminated
      ? `ended with ${state.terminated.exitCode}${state.terminated.reason ? ` (${state.terminated.reason})` : ''}`
      : `waiting${state?.waiting?.reason ? ` (${state.waiting.reason}${state.waiting.message ? `: ${state.waiting.message}` : ''})` : ''}`;
  return now + restarts + before;
}

const events = ({ events: all }: Facts): string[] =>
  all
    .filter(e => e.type === 'Warning')
    .slice(-5)
    .map(
      e =>
        `${(e.lastTimestamp ?? e.eventTime ?? '').slice(11, 19)} ${e.reason}${(e.count ?? 1) > 1 ? ` (${e.count} times)` : ''}: ${e.message}`,
    );
