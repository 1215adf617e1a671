import { booleanOf } from '../../cpu/kernel/cpu-policy.ts';

export interface TopologyPolicyOptions {
  /** Of sets of nodes that are equally good, that of the closest. */
  readonly closest: boolean;
  /** On machines with more NUMA nodes a policy other than none does not start. */
  readonly maxNodes: number;
}

const leastMax = 8;

/** Throws what is wrong with them. All of them are GA: no gate hides one. */
export function topologyPolicyOptions(given: Readonly<Record<string, string>>): TopologyPolicyOptions {
  let options: TopologyPolicyOptions = { closest: false, maxNodes: leastMax };
  for (const [name, value] of Object.entries(given)) {
    if (name === 'prefer-closest-numa-nodes') options = { ...options, closest: booleanOf(name, value) };
    else if (name === 'max-allowable-numa-nodes') options = { ...options, maxNodes: maxNodes(name, value) };
    else throw new Error(`unknown Topology Manager Policy option: ${JSON.stringify(name)}`);
  }
  return options;
}

function maxNodes(name: string, value: string): number {
  const count = /^\d{1,5}$/.test(value) ? Number(value) : Number.NaN;
  if (Number.isNaN(count))
    throw new Error(`unable to convert policy option to integer ${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  if (count < leastMax)
    throw new Error(`the minimum value of ${JSON.stringify(name)} should not be less than ${leastMax}`);
  return count;
}
