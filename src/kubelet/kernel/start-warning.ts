// What is wrong with a machine that a kubelet starts on, as events of its node.
import { maxSearchChars, maxSearches, parseResolvConf } from './dns.ts';

export interface StartFacts {
  /** Undefined: the runtime decides, and nobody looks. */
  readonly cgroupVersion: 1 | 2 | undefined;
  readonly kernelVersion: string;
  readonly swapBytes: number;
  readonly clusterDomain: string;
  readonly resolvConf: { readonly path: string; readonly text: string | undefined };
}

export interface StartWarning {
  readonly reason: string;
  readonly message: string;
}

export function startWarnings(facts: StartFacts): readonly StartWarning[] {
  const out: StartWarning[] = [];
  if (facts.cgroupVersion === 1)
    out.push({
      reason: 'CgroupV1',
      message:
        'cgroup v1 support is unsupported and will be removed in a future release. Please migrate to cgroup v2. More information at https://git.k8s.io/enhancements/keps/sig-node/5573-remove-cgroup-v1',
    });
  if (facts.swapBytes > 0 && !knowsNoswap(facts.kernelVersion))
    out.push({
      reason: 'PossibleMemoryBackedVolumesOnDisk',
      message:
        'The tmpfs noswap option is not supported. Memory-backed volumes (e.g. secrets, emptyDirs, etc.) might be swapped to disk and should no longer be considered secure.',
    });
  const search = searchProblem(facts);
  if (search) out.push({ reason: 'CheckLimitsForResolvConf', message: search });
  return out;
}

/** File systems in memory that are never swapped came with Linux 6.4. */
function knowsNoswap(kernelVersion: string): boolean {
  const [major = 0, minor = 0] = kernelVersion.split('.').map(Number);
  return major > 6 || (major === 6 && minor >= 4);
}

/** Domains of pods of the cluster come before those of the machine, and all have to fit. */
function searchProblem({ clusterDomain, resolvConf: { path, text } }: StartFacts): string | undefined {
  const { searches } = parseResolvConf(text ?? '');
  const most = clusterDomain ? maxSearches - 3 : maxSearches;
  const what = `Resolv.conf file '${path}' contains search line`;
  if (searches.length > most) return `${what} consisting of more than ${most} domains!`;
  if (searches.join(' ').length > maxSearchChars)
    return `${what} which length is more than allowed ${maxSearchChars} chars!`;
  return undefined;
}
