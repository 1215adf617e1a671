import { contextOf } from '../kubeconfig-file.ts';
import { type ClusterState, clusterNames, clusterPaths, readState } from '../state.ts';
import { askOnce, type ChildStatus, type SupervisorStatus } from '../supervisor/control.ts';
import { type CliContext, mustState, pathsOf } from './context.ts';
import { CliError, exitCode } from './exit.ts';
import { isRunning, withoutSocket } from './lifecycle.ts';

export interface StatusOptions {
  readonly name?: string;
  readonly output?: string;
}

/** Prints how a cluster does; exits 3 when it does not run. */
export async function status(context: CliContext, options: StatusOptions): Promise<void> {
  const paths = pathsOf(options.name, context.env);
  const state = mustState(paths, context.env);
  const now = isRunning(state) ? await askOnce(paths.controlSocket, { op: 'status' }) : undefined;
  if (!now && isRunning(state)) throw withoutSocket(paths);
  const data = describe(state, now);
  if (options.output === 'json') context.print(`${JSON.stringify(data, undefined, 2)}\n`);
  else context.print(render(context, data));
  if (data.state === 'stopped')
    throw new CliError(`cluster ${paths.name} is not running`, exitCode.notFound, `k8ts start --name ${paths.name}`);
}

interface ClusterStatus {
  readonly name: string;
  readonly state: 'running' | 'starting' | 'stopping' | 'stopped';
  readonly server: string;
  readonly context: string;
  readonly nodes: number;
  readonly simulated: boolean;
  readonly created: string;
  readonly components: readonly ChildStatus[];
}

function describe(state: ClusterState, now: SupervisorStatus | undefined): ClusterStatus {
  const ready = now?.children.every(c => c.state === 'ready');
  return {
    name: state.config.name,
    state: !now ? 'stopped' : now.stopping ? 'stopping' : ready ? 'running' : 'starting',
    server: `https://127.0.0.1:${state.apiPort}`,
    context: contextOf(state.config.name),
    nodes: state.config.nodes,
    simulated: state.config.simulate,
    created: state.created,
    components: now?.children ?? [],
  };
}

function render(context: CliContext, s: ClusterStatus): string {
  const nodes = `${s.nodes}${s.simulated ? ' (simulated)' : ''}`;
  const head = [
    ['NAME', 'STATE', 'NODES', 'API', 'CONTEXT', 'AGE'],
    [s.name, s.state, nodes, s.server, s.context, age(context.clock.now() - Date.parse(s.created))],
  ];
  if (s.components.length === 0) return table(head);
  const rows = s.components.map(c => [
    c.name,
    c.state,
    c.pid === undefined ? '-' : String(c.pid),
    String(c.restarts),
    age(context.clock.now() - c.sinceMs),
    c.state === 'ready' ? '' : [c.phase, c.lastExit].filter(Boolean).join('; '),
  ]);
  return `${table(head)}\n${table([['COMPONENT', 'STATE', 'PID', 'RESTARTS', 'SINCE', ''], ...rows])}`;
}

/** Columns three blanks apart, as kubectl's. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map(r => (r[i] ?? '').length)));
  return rows
    .map(r => `${r.map((c, i) => c.padEnd(widths[i]! + 3)).join('')}`.trimEnd())
    .join('\n')
    .concat('\n');
}

/** `5s`, `3m`, `2h`, `4d`. */
export function age(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 120) return `${s}s`;
  if (s < 7200) return `${Math.floor(s / 60)}m`;
  return s < 172_800 ? `${Math.floor(s / 3600)}h` : `${Math.floor(s / 86_400)}d`;
}

/** Prints the names of all clusters with their state. */
export async function list(context: CliContext, options: { output?: string }): Promise<void> {
  const clusters = clusterNames(context.env).map(name => {
    try {
      const state = readState(clusterPaths(name, context.env));
      return state && { name, state: isRunning(state) ? 'running' : 'stopped', nodes: state.config.nodes };
    } catch {
      return { name, state: 'damaged', nodes: 0 };
    }
  });
  const found = clusters.filter(c => c !== undefined);
  if (options.output === 'json') return context.print(`${JSON.stringify(found)}\n`);
  if (found.length === 0) return context.talk.say('No clusters. Make one: k8ts up');
  context.print(
    table([['NAME', 'STATE', 'NODES'], ...found.map(c => [c.name, c.state, c.nodes ? String(c.nodes) : '-'])]),
  );
}
