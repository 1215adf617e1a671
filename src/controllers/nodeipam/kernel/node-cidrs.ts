// The cluster's pod CIDRs, one a family, and what of them belongs to which node.
import { CidrSet } from './cidr-set.ts';

export interface PodCidrOptions {
  /** One CIDR, or one of each family with a comma between. */
  readonly podCidr: string;
  /** What lies in the pod CIDR and is not for pods. */
  readonly serviceCidrs?: readonly string[];
  /** Default 24. */
  readonly maskIpv4?: number;
  /** Default 64. */
  readonly maskIpv6?: number;
}

export class NodeCidrs {
  readonly #sets: readonly CidrSet[];

  /** For each of the cluster's CIDRs what has become of its parts. */
  get usage(): readonly Pick<CidrSet, 'cidr' | 'size' | 'free' | 'allocations' | 'releases'>[] {
    return this.#sets;
  }

  /** Throws when the options make no sense. */
  constructor(options: PodCidrOptions) {
    const { podCidr, serviceCidrs = [], maskIpv4 = 24, maskIpv6 = 64 } = options;
    const cidrs = podCidr.split(',').map(c => c.trim());
    const families = new Set(cidrs.map(c => c.includes(':')));
    if (cidrs.length > 2) throw new Error(`length of clusterCIDRs is:${cidrs.length} more than max allowed of 2`);
    if (families.size < cidrs.length)
      throw new Error(
        'len of ClusterCIDRs==2 and they are not configured as dual stack (at least one from each IPFamily)',
      );
    this.#sets = cidrs.map(c => new CidrSet(c, c.includes(':') ? maskIpv6 : maskIpv4));
    for (const set of this.#sets) for (const c of serviceCidrs) if (set.overlaps(c)) set.occupy(c);
  }

  /** Throws when one of them is not of this cluster; those before it stay occupied. */
  occupy(node: string, podCidrs: readonly string[]): void {
    for (const [i, cidr] of podCidrs.entries()) {
      const set = this.#sets[i];
      if (!set) {
        throw new Error(
          `node:${node} has an allocated cidr: ${cidr} at index:${i} that does not exist in cluster cidrs configuration`,
        );
      }
      try {
        set.occupy(cidr);
      } catch (error) {
        throw new Error(
          `failed to mark cidr[${cidr}] at idx [${i}] as occupied for node: ${node}: ${(error as Error).message}`,
        );
      }
    }
  }

  /** One of each family, or, when a family has none left, nothing and why. */
  allocate(): { readonly podCidrs: readonly string[] } | { readonly failure: string } {
    const podCidrs: string[] = [];
    for (const [i, set] of this.#sets.entries()) {
      const cidr = set.allocate();
      if (cidr === undefined) {
        this.release(podCidrs);
        return {
          failure: `failed to allocate cidr from cluster cidr at idx:${i}: CIDR allocation failed; there are no remaining CIDRs left to allocate in the accepted range`,
        };
      }
      podCidrs.push(cidr);
    }
    return { podCidrs };
  }

  /** Passes over what is not of this cluster. */
  release(podCidrs: readonly string[]): void {
    for (const [i, cidr] of podCidrs.entries()) if (this.#sets[i]?.overlaps(cidr)) this.#sets[i].release(cidr);
  }
}
