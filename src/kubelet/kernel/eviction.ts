// Which pressure a node is under, and who goes first.

import { Quantity } from '../../api/quantity.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import { bytesOf, formatKi } from './amount.ts';
import { isCritical } from './critical-pod.ts';
import { thresholdBytes } from './node-resource.ts';
import { podTotal } from './qos.ts';

export interface Signal {
  readonly available: number;
  readonly capacity: number;
}

/** `memory.available`, `nodefs.available`, `nodefs.inodesFree`, `imagefs.available`, `pid.available`. */
export type Signals = Readonly<Record<string, Signal>>;

export const defaultEvictionHard: Readonly<Record<string, string>> = {
  'memory.available': '100Mi',
  'nodefs.available': '10%',
  'nodefs.inodesFree': '5%',
  'imagefs.available': '15%',
  'imagefs.inodesFree': '5%',
};

type Strings = Readonly<Record<string, string>>;

export interface Threshold {
  readonly signal: string;
  /** A quantity or a percentage. */
  readonly value: string;
  /** Once it is met it stays so until so much more is there: a quantity or a percentage. */
  readonly reclaim?: string;
  /** Of a soft one: it may be met for so long. */
  readonly graceMs?: number;
}

export interface EvictionSettings {
  readonly hard: Strings;
  readonly soft?: Strings;
  /** By signal, of each soft one. */
  readonly softGraceMs?: Readonly<Record<string, number>>;
  readonly minimumReclaim?: Strings;
}

export function thresholdsOf({ hard, soft = {}, softGraceMs = {}, minimumReclaim = {} }: EvictionSettings) {
  const one = ([signal, value]: readonly [string, string], graceMs?: number): Threshold => ({
    ...{ signal, value },
    ...(minimumReclaim[signal] ? { reclaim: minimumReclaim[signal] } : {}),
    ...(graceMs === undefined ? {} : { graceMs }),
  });
  return [
    ...Object.entries(hard).map(e => one(e)),
    ...Object.entries(soft).map(e => one(e, softGraceMs[e[0]] ?? 0)),
  ] as readonly Threshold[];
}

export interface Breach {
  readonly threshold: Threshold;
  readonly available: number;
}

/** Thresholds that are undercut now. `before`: those that were; they have more to get back to. */
export function breaches(
  signals: Signals,
  thresholds: readonly Threshold[],
  before: ReadonlySet<Threshold> = new Set(),
): readonly Breach[] {
  return thresholds.flatMap(threshold => {
    const now = signals[threshold.signal];
    if (!now || now.capacity === 0) return [];
    const least = thresholdBytes(threshold.value, now.capacity);
    const more = least > 0 && before.has(threshold) ? thresholdBytes(threshold.reclaim, now.capacity) : 0;
    return now.available < least + more ? [{ threshold, available: now.available }] : [];
  });
}

export function conditionOf(signal: string): 'memory' | 'disk' | 'pid' {
  if (signal.startsWith('memory')) return 'memory';
  return signal.startsWith('pid') ? 'pid' : 'disk';
}

export const resourceOf = (signal: string) =>
  signal.startsWith('memory')
    ? 'memory'
    : signal.startsWith('pid')
      ? 'pids'
      : signal.includes('inodes')
        ? 'inodes'
        : 'ephemeral-storage';

export interface PodUse {
  readonly pod: Pod;
  /** Bytes, files or processes. */
  readonly amount: number;
  /** By container, where that is known. */
  readonly containers?: ReadonlyMap<string, number>;
}

/** What is told of an eviction: what was lacking, and which containers took more of it than they asked for. */
export function evictionMessage(
  resource: string,
  { threshold, available }: Breach,
  { pod, containers }: PodUse,
): string {
  const left = formatKi(Math.floor(available / 1024) * 1024);
  let message = `The node was low on resource: ${resource}. Threshold quantity: ${threshold.value}, available: ${left}. `;
  for (const { name, resources } of [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]) {
    const used = containers?.get(name) ?? 0;
    const request = resources?.requests?.[resource] ?? '0';
    if (used > bytesOf(request))
      message += `Container ${name} was using ${Quantity.of(used, 'BinarySI')}, request is ${request}, has larger consumption of ${resource}. `;
  }
  return message;
}

function requestOf(pod: Pod, resource: string): number {
  if (resource === 'memory') return podTotal(pod.spec, 'requests', 'memory');
  if (resource !== 'ephemeral-storage') return 0;
  return pod.spec.containers.reduce((n, c) => n + bytesOf(c.resources?.requests?.['ephemeral-storage']), 0);
}

/** Who goes first, critical pods left out: above its request before below, low priority before high, then who exceeds the most. */
export function rankForEviction(uses: readonly PodUse[], resource: string): readonly PodUse[] {
  const over = (u: PodUse) => u.amount - requestOf(u.pod, resource);
  return uses
    .filter(u => !isCritical(u.pod))
    .sort((a, b) => {
      const exceeds = Number(over(b) > 0) - Number(over(a) > 0);
      return exceeds || (a.pod.spec.priority ?? 0) - (b.pod.spec.priority ?? 0) || over(b) - over(a);
    });
}
