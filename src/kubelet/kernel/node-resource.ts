import { canonicalQuantity } from '../../api/quantity.ts';
import type { ContainerImage } from '../../api/type/core-v1.ts';
import type { Image } from '../../cri/type.ts';
import { bytesOf, formatKi, formatMilli, milliOf } from './amount.ts';

export interface NodeSize {
  readonly cores: number;
  readonly memoryBytes: number;
  /** 0: nobody counts it. */
  readonly ephemeralStorageBytes: number;
  readonly hugepages: Readonly<Record<string, number>>;
  readonly maxPods: number;
}

type Strings = Readonly<Record<string, string>>;

export function capacityOf(size: NodeSize): Strings {
  return {
    cpu: String(size.cores),
    ...(size.ephemeralStorageBytes ? { 'ephemeral-storage': formatKi(size.ephemeralStorageBytes) } : {}),
    ...Object.fromEntries(
      Object.entries(size.hugepages).map(([page, bytes]) => [`hugepages-${page}`, bytes ? formatKi(bytes) : '0']),
    ),
    memory: formatKi(size.memoryBytes),
    pods: String(size.maxPods),
  };
}

/** A threshold as bytes: a quantity, or a percentage of the whole. */
export function thresholdBytes(text: string | undefined, whole: number): number {
  if (!text) return 0;
  return text.endsWith('%') ? Math.floor((whole * Number(text.slice(0, -1))) / 100) : bytesOf(text);
}

/** What pods may use: without what is reserved for the system, for Kubernetes and for the eviction threshold. */
export function allocatableOf(size: NodeSize, reserved: readonly Strings[], evictionHard: Strings): Strings {
  const sum = (name: string, read: (q: string | undefined) => number) =>
    reserved.reduce((n, r) => n + read(r[name]), 0);
  const hugepages = Object.values(size.hugepages).reduce((n, b) => n + b, 0);
  const memory =
    size.memoryBytes - sum('memory', bytesOf) - thresholdBytes(evictionHard['memory.available'], size.memoryBytes);
  const storage =
    size.ephemeralStorageBytes -
    sum('ephemeral-storage', bytesOf) -
    thresholdBytes(evictionHard['nodefs.available'], size.ephemeralStorageBytes);
  return {
    ...capacityOf(size),
    cpu: formatMilli(Math.max(0, size.cores * 1000 - sum('cpu', milliOf))),
    ...(size.ephemeralStorageBytes ? { 'ephemeral-storage': String(Math.max(0, storage)) } : {}),
    memory: formatKi(Math.max(0, memory - hugepages)),
  };
}

type Counts = Readonly<Record<string, number>>;
const strings = (counts: Counts): Strings =>
  Object.fromEntries(Object.entries(counts).map(([k, n]) => [k, canonicalQuantity(String(n))]));

/**
 * Resources that somebody else advertised in the node's capacity stay, and pods may use all of them; those of device
 * plugins are counted anew. Sorted.
 */
export function withExtended(
  old: { readonly capacity?: Strings } | undefined,
  capacity: Strings,
  allocatable: Strings,
  devices?: { readonly capacity: Counts; readonly allocatable: Counts },
): { capacity: Strings; allocatable: Strings } {
  const isExtended = (name: string) => name.includes('/') && !(name in capacity);
  const extended = Object.entries(old?.capacity ?? {}).filter(([name]) => isExtended(name));
  if (extended.length === 0 && !devices) return { capacity: sorted(capacity), allocatable: sorted(allocatable) };
  const all = (own: Strings, counts: Counts = {}): Strings =>
    sorted({ ...Object.fromEntries(extended), ...own, ...strings(counts) });
  return { capacity: all(capacity, devices?.capacity), allocatable: all(allocatable, devices?.allocatable) };
}

const inOrder = new WeakMap<Strings, Strings>();

/** A node has the same of its own each time. */
function sorted(own: Strings): Strings {
  let made = inOrder.get(own);
  if (!made) {
    made = Object.fromEntries(Object.entries(own).sort(([a], [b]) => (a < b ? -1 : 1)));
    inOrder.set(own, made);
  }
  return made;
}

const maxNames = 5;

/** The largest images, as the scheduler scores by them; -1: all. */
export function nodeImages(images: readonly Image[], maxImages: number): readonly ContainerImage[] {
  return [...images]
    .sort((a, b) => (b.size ?? 0) - (a.size ?? 0))
    .slice(0, maxImages < 0 ? images.length : maxImages)
    .map(i => ({
      names: [...(i.repo_digests ?? []), ...(i.repo_tags ?? [])].slice(0, maxNames),
      sizeBytes: i.size ?? 0,
    }))
    .filter(i => i.names.length > 0);
}
