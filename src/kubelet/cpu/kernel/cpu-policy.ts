// The options of the static policy, and which containers get CPUs of their own.
import { parseBool } from '../../../api/feature-gates.ts';
import type { Container, Pod } from '../../../api/type/core-v1.ts';
import { milliOf } from '../../kernel/amount.ts';
import { qosClassOf } from '../../kernel/qos.ts';
import { isSidecar } from '../../kernel/restart-policy.ts';

export type CpuManagerPolicy = 'none' | 'static';

export interface CpuPolicyOptions {
  readonly fullPcpusOnly: boolean;
  readonly distributeAcrossNuma: boolean;
  readonly distributeAcrossCores: boolean;
  readonly alignBySocket: boolean;
  readonly strictReservation: boolean;
  readonly alignByCache: boolean;
}

const names = {
  'full-pcpus-only': 'fullPcpusOnly',
  'strict-cpu-reservation': 'strictReservation',
  'distribute-cpus-across-numa': 'distributeAcrossNuma',
  'prefer-align-cpus-by-uncorecache': 'alignByCache',
  'align-by-socket': 'alignBySocket',
  'distribute-cpus-across-cores': 'distributeAcrossCores',
} as const satisfies Readonly<Record<string, keyof CpuPolicyOptions>>;

const beta = ['distribute-cpus-across-numa', 'prefer-align-cpus-by-uncorecache'];
const alpha = ['align-by-socket', 'distribute-cpus-across-cores'];

export interface OptionGates {
  readonly alpha: boolean;
  readonly beta: boolean;
}

export const noCpuOptions: CpuPolicyOptions = {
  ...{ fullPcpusOnly: false, distributeAcrossNuma: false, distributeAcrossCores: false },
  ...{ alignBySocket: false, strictReservation: false, alignByCache: false },
};

const clashes: readonly (readonly [keyof CpuPolicyOptions, keyof CpuPolicyOptions])[] = [
  ['distributeAcrossCores', 'fullPcpusOnly'],
  ['distributeAcrossCores', 'distributeAcrossNuma'],
  ['alignByCache', 'distributeAcrossCores'],
  ['alignByCache', 'distributeAcrossNuma'],
];

/** Throws what is wrong with them. */
export function cpuPolicyOptions(given: Readonly<Record<string, string>>, gates: OptionGates): CpuPolicyOptions {
  const options: Record<string, boolean> = {};
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(names, name)) throw new Error(`unknown CPU Manager Policy option: ${JSON.stringify(name)}`);
    for (const [level, group, on] of [
      ['Alpha', alpha, gates.alpha],
      ['Beta', beta, gates.beta],
    ] as const)
      if (group.includes(name) && !on)
        throw new Error(
          `CPU Manager Policy ${level}-level Options not enabled, but option ${JSON.stringify(name)} provided`,
        );
    options[names[name as keyof typeof names]] = booleanOf(name, value);
  }
  const all = { ...noCpuOptions, ...options };
  for (const [a, b] of clashes)
    if (all[a] && all[b])
      throw new Error(`static policy options ${nameOf(a)} and ${nameOf(b)} can not be used at the same time`);
  return all;
}

const nameOf = (key: keyof CpuPolicyOptions): string => Object.entries(names).find(([, k]) => k === key)![0];

/** As Go reads booleans. */
export function booleanOf(name: string, value: string): boolean {
  const on = parseBool(value);
  if (on !== undefined) return on;
  throw new Error(`bad value for option ${JSON.stringify(name)}: ${JSON.stringify(value)} is no boolean`);
}

/** CPUs that the container is to have for itself; 0: it runs on those all share. */
export function exclusiveCpus(pod: Pod, container: Container): number {
  if (pod.spec.resources?.requests ?? pod.spec.resources?.limits) return 0;
  if (qosClassOf(pod) !== 'Guaranteed') return 0;
  const milli = milliOf(container.resources?.requests?.cpu ?? container.resources?.limits?.cpu);
  return milli % 1000 === 0 ? milli / 1000 : 0;
}

/** The most that the pod's containers have for themselves at one time. */
export function exclusiveCpusOfPod(pod: Pod): number {
  let sidecars = 0;
  let most = 0;
  for (const c of pod.spec.initContainers ?? []) {
    const own = exclusiveCpus(pod, c);
    if (isSidecar(c)) sidecars += own;
    most = Math.max(most, isSidecar(c) ? sidecars : sidecars + own);
  }
  return Math.max(
    most,
    pod.spec.containers.reduce((sum, c) => sum + exclusiveCpus(pod, c), sidecars),
  );
}
