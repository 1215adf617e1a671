// Feature gates: the defaults of the facts, and what is switched by hand.
import { readFacts } from './resource.ts';

interface GateFact {
  readonly n: string;
  /** On by default. */
  readonly d: 0 | 1;
  readonly s: 'alpha' | 'beta' | 'GA' | 'deprecated';
  readonly lock?: 1;
  /** Gates it needs. */
  readonly deps?: readonly string[];
}

let facts: Map<string, GateFact> | undefined;

function load(): Map<string, GateFact> {
  facts ??= new Map(readFacts<{ gates: GateFact[] }>('featuregates.json').gates.map(g => [g.n, g]));
  return facts;
}

/** Gates for all of a stage; one that is switched by its own name is not asked. */
const ofStage: Readonly<Record<string, string>> = { alpha: 'AllAlpha', beta: 'AllBeta' };

/**
 * Is a gate on? Gates that Kubernetes 1.36 has no more are: their features are there for good. Throws an error that
 * names the gate for one that does not exist, cannot be switched, or needs another that is off.
 */
export function featureGates(switched: Readonly<Record<string, boolean>> = {}): (gate: string) => boolean {
  const faults: string[] = [];
  for (const name of Object.keys(switched).sort()) {
    const fact = load().get(name);
    if (!fact) {
      faults.push(`unrecognized feature gate: ${name}`);
      break;
    }
    const isOn = fact.d === 1;
    if (fact.lock && switched[name] !== isOn)
      faults.push(`cannot set feature gate ${name} to ${switched[name]}, feature is locked to ${isOn}`);
  }
  fail(faults);
  const on = new Map<string, boolean>();
  for (const { n, d, s, lock } of load().values()) {
    const all = lock ? undefined : switched[ofStage[s] ?? ''];
    on.set(n, switched[n] ?? all ?? d === 1);
  }
  for (const { n, deps = [] } of load().values()) {
    const lacking = on.get(n) ? deps.filter(dep => !on.get(dep)) : [];
    if (lacking.length)
      faults.push(`${n} is enabled, but depends on features that are disabled: [${lacking.join(' ')}]`);
  }
  fail(faults);
  return gate => on.get(gate) ?? true;
}

/** As Go writes several errors in one. */
function fail(faults: readonly string[]): void {
  if (faults.length) throw new Error(faults.length > 1 ? `[${faults.join(', ')}]` : faults[0]);
}

/**
 * The values of --feature-gates: `Name=true`, `Name=false`, or all with `kube:` before, parted by commas; of a name
 * that comes twice the last. Throws an error with Kubernetes' words.
 */
export function parseFeatureGates(flags: readonly string[]): Record<string, boolean> {
  const gates: Record<string, boolean> = {};
  const items = flags.flatMap(flag => flag.split(',')).map(item => item.trim());
  const given = items.filter(item => item !== '').map(item => withoutComponent(item));
  if (new Set(given.map(g => g.isPrefixed)).size > 1)
    throw new Error('set kube feature gates with default empty prefix or kube: prefix consistently, do not mix use');
  for (const { item } of given) {
    const at = item.indexOf('=');
    if (at < 0) throw new Error(`missing bool value for ${item}`);
    const [name, value] = [item.slice(0, at).trim(), item.slice(at + 1).trim()];
    const on = parseBool(value);
    if (on === undefined)
      throw new Error(
        `invalid value of ${name}=${value}, err: strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`,
      );
    gates[name] = on;
  }
  featureGates(gates);
  return gates;
}

function withoutComponent(item: string): { item: string; isPrefixed: boolean } {
  const at = item.indexOf(':');
  if (at < 0) return { item, isPrefixed: false };
  const component = item.slice(0, at).trim();
  if (component !== 'kube') throw new Error(`component not registered: ${component}`);
  return { item: item.slice(at + 1).trim(), isPrefixed: true };
}

/** As Go's strconv does; undefined when it is neither. */
export function parseBool(text: string): boolean | undefined {
  if (['1', 't', 'T', 'true', 'True', 'TRUE'].includes(text)) return true;
  return ['0', 'f', 'F', 'false', 'False', 'FALSE'].includes(text) ? false : undefined;
}

/** Every gate of the release, by name. */
export function allFeatureGates(): readonly { readonly name: string; readonly stage: GateFact['s'] }[] {
  return [...load().values()].map(({ n, s }) => ({ name: n, stage: s }));
}
