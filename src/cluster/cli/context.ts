import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import { badClusterName, defaultClusterName } from '../config.ts';
import { type ClusterPaths, type ClusterState, clusterNames, clusterPaths, readState, StateError } from '../state.ts';
import { CliError, exitCode } from './exit.ts';
import type { Talk } from './talk.ts';

/** What a command acts with. */
export interface CliContext {
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly random: Random;
  readonly talk: Talk;
  /** Data, on standard output. */
  readonly print: (text: string) => void;
  /** Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
  /** Path of main.ts (or of the bundle), to start further processes with. */
  readonly main: string;
}

export function pathsOf(name: string | undefined, env: NodeJS.ProcessEnv): ClusterPaths {
  const given = name ?? env.K8TS_CLUSTER ?? defaultClusterName;
  const bad = badClusterName(given);
  if (bad) throw new CliError(`cluster name ${JSON.stringify(given)}: ${bad}`, exitCode.usage);
  return clusterPaths(given, env);
}

/** The cluster's record; CliError notFound when there is none, failure when it is damaged. */
export function mustState(paths: ClusterPaths, env: NodeJS.ProcessEnv): ClusterState {
  const state = stateOf(paths);
  if (state) return state;
  const others = clusterNames(env);
  throw new CliError(
    `no cluster named ${JSON.stringify(paths.name)}`,
    exitCode.notFound,
    others.length ? `there is ${others.join(', ')}: add --name` : 'make one: k8ts up',
  );
}

export function stateOf(paths: ClusterPaths): ClusterState | undefined {
  try {
    return readState(paths);
  } catch (error) {
    if (!(error instanceof StateError)) throw error;
    throw new CliError(
      error.message,
      exitCode.failure,
      `remove the cluster and its data: k8ts down --name ${paths.name}`,
    );
  }
}

/** `90s`, `2m`, `1h30m`; a bare number is seconds. Milliseconds. */
export function parseDuration(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const unitMs: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map(p => p[0]).join('') !== text)
    throw new RangeError(`${JSON.stringify(text)} is no duration: want one as 90s or 2m`);
  return parts.reduce((sum, [, n, unit]) => sum + Number(n) * unitMs[unit!]!, 0);
}
