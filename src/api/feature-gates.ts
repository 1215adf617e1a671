// Feature gates: the defaults of the facts, and what is switched by hand.
import { readFacts } from './resource.ts';

interface GateFact {
  readonly n: string;
  /** On by default. */
  readonly d: 0 | 1;
  readonly s: 'alpha' | 'beta' | 'GA' | 'deprecated';
  readonly lock?: 1;
}

let facts: Map<string, GateFact> | undefined;

function load(): Map<string, GateFact> {
  facts ??= new Map(readFacts<{ gates: GateFact[] }>('featuregates.json').gates.map(g => [g.n, g]));
  return facts;
}

/**
 * Is a gate on? Gates that Kubernetes 1.36 has no more are: their features are there for good. Throws an error that
 * names the gate for one that does not exist, or cannot be switched.
 */
export function featureGates(switched: Readonly<Record<string, boolean>> = {}): (gate: string) => boolean {
  for (const [name, on] of Object.entries(switched)) {
    const fact = load().get(name);
    if (!fact) throw new Error(`feature gates: unrecognized feature gate: ${name}`);
    if (fact.lock && on !== (fact.d === 1))
      throw new Error(`feature gates: cannot set feature gate ${name} to ${on}, feature is locked to ${fact.d === 1}`);
  }
  return gate => switched[gate] ?? load().get(gate)?.d !== 0;
}

/** Every gate of the release, by name. */
export function allFeatureGates(): readonly { readonly name: string; readonly stage: GateFact['s'] }[] {
  return [...load().values()].map(({ n, s }) => ({ name: n, stage: s }));
}
