// The content of cpu_manager_state.
import { checksumOf, corrupted, dumpedMap } from '../../state/checksum.ts';

export interface CpuState {
  readonly policyName: string;
  /** CPUs that containers share. */
  readonly defaultCpuSet: string;
  /** By pod uid and container. */
  readonly entries: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export function encodeCpuState(state: CpuState): string {
  const { policyName, defaultCpuSet } = state;
  const entries = sorted(state.entries, own => sorted(own, cpus => cpus));
  const some = Object.keys(entries).length ? { entries } : {};
  return JSON.stringify({ policyName, defaultCpuSet, ...some, checksum: checksum(state) });
}

/** Throws where it is not what a kubelet has written. */
export function decodeCpuState(text: string): CpuState {
  const {
    policyName,
    defaultCpuSet,
    entries = {},
    checksum: expected,
  } = JSON.parse(text) as CpuState & { checksum: number };
  const state = { policyName, defaultCpuSet, entries };
  if (checksum(state) !== expected) throw new Error(corrupted);
  return state;
}

function checksum({ policyName, defaultCpuSet, entries }: CpuState): number {
  const dumped = dumpedMap(Object.entries(entries).map(([uid, own]) => [uid, dumpedMap(Object.entries(own))]));
  return checksumOf(
    `(*state.CPUManagerCheckpoint){PolicyName:(string)${policyName} DefaultCPUSet:(string)${defaultCpuSet} Entries:(map[string]map[string]string)${dumped} Checksum:(checksum.Checksum)0}`,
  );
}

const sorted = <T, U>(record: Readonly<Record<string, T>>, map: (value: T) => U): Record<string, U> =>
  Object.fromEntries(
    Object.entries(record)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => [key, map(value)]),
  );
