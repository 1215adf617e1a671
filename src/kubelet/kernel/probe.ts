import type { Container, Probe } from '../../api/type/core-v1.ts';
import type { Verdict } from './pod-actions.ts';

export type ProbeKind = 'startup' | 'readiness' | 'liveness';

export const probeField = { startup: 'startupProbe', readiness: 'readinessProbe', liveness: 'livenessProbe' } as const;

export interface ProbeState {
  /** What counts: the last result that met its threshold. */
  readonly verdict: Verdict;
  readonly last: 'success' | 'failure' | undefined;
  /** How often `last` came in a row. */
  readonly run: number;
}

/** Until the first verdict a container is unready, alive, and not known to have started. */
export const initialProbeState = (kind: ProbeKind): ProbeState => ({
  verdict: kind === 'readiness' ? 'failure' : kind === 'liveness' ? 'success' : 'unknown',
  last: undefined,
  run: 0,
});

export function nextProbeState(state: ProbeState, raw: 'success' | 'failure', probe: Probe): ProbeState {
  const run = state.last === raw ? state.run + 1 : 1;
  const needed = raw === 'success' ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3);
  return { verdict: run >= needed ? raw : state.verdict, last: raw, run };
}

/** A port by number or by the name it has in the container. */
export function portOf(port: number | string, container: Container): number | undefined {
  const number = typeof port === 'number' ? port : /^\d+$/.test(port) ? Number(port) : undefined;
  const found = number ?? container.ports?.find(p => p.name === port)?.containerPort;
  return found !== undefined && found > 0 && found < 65536 ? found : undefined;
}

const capital = (kind: ProbeKind) => kind[0]!.toUpperCase() + kind.slice(1);

export const unhealthyMessage = (kind: ProbeKind, output: string) => `${capital(kind)} probe failed: ${output}`;
export const erroredMessage = (kind: ProbeKind, output: string) =>
  `${capital(kind)} probe errored and resulted in unknown state: ${output}`;
export const warningMessage = (kind: ProbeKind, output: string) => `${capital(kind)} probe warning: ${output}`;
