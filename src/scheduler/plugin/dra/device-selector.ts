// What a class and a request ask of a device, and whether a device meets it: found out once a device.
import { compileDeviceSelector, deviceBindings, selectsDevice } from '../../../api/cel/device.ts';
import type { DeviceSelector } from '../../../api/type/resource-v1.ts';
import { messageOf } from '../../../base/assert.ts';
import type { DeviceEntry, NodeView, SelectorSet, Verdict } from './device-entry.ts';

const kept = 1000;

/** One for all requests that ask the same. */
export class SelectorSets {
  readonly #sets = new Map<string, SelectorSet>();

  of(ofClass: readonly DeviceSelector[] = [], ofClaim: readonly DeviceSelector[] = []): SelectorSet {
    const set = { ofClass: ofClass.map(expressionOf), ofClaim: ofClaim.map(expressionOf) };
    const key = JSON.stringify(set);
    const known = this.#sets.get(key);
    if (known) return known;
    if (this.#sets.size >= kept) this.#sets.delete(this.#sets.keys().next().value!);
    this.#sets.set(key, set);
    return set;
  }
}

const expressionOf = ({ cel }: DeviceSelector): string => cel?.expression ?? '';

export function verdictOn(entry: DeviceEntry, set: SelectorSet): Verdict {
  let verdict = entry.verdicts.get(set);
  if (verdict === undefined) {
    verdict = judge(entry, set);
    entry.verdicts.set(set, verdict);
  }
  return verdict;
}

function judge({ device, slice }: DeviceEntry, set: SelectorSet): Verdict {
  const bindings = deviceBindings(device, slice.spec.driver);
  for (const whose of ['class', 'claim'] as const)
    for (const [index, expression] of (whose === 'class' ? set.ofClass : set.ofClaim).entries()) {
      const { program, error } = compileDeviceSelector(expression);
      if (!program) return { of: whose, index, message: `CEL compile error: ${error}` };
      try {
        if (!selectsDevice(program, bindings)) return false;
      } catch (fault) {
        return { of: whose, index, message: `CEL runtime error: ${messageOf(fault)}` };
      }
    }
  return true;
}

/** Of pools that may be used, the devices that pass or whose selectors fail. */
export function candidatesOf(view: NodeView, set: SelectorSet): readonly DeviceEntry[] {
  let found = view.candidates.get(set);
  if (!found) {
    const all = view.pools
      .filter(p => p.pool.complete && !p.pool.invalid)
      .flatMap(p => p.devices.filter(d => verdictOn(d, set) !== false));
    const binding = (d: DeviceEntry) => (d.device.bindingConditions?.length ? 1 : 0);
    // Devices that have to be prepared before the pod is bound come last.
    found = all.some(binding) ? all.toSorted((a, b) => binding(a) - binding(b)) : all;
    view.candidates.set(set, found);
  }
  return found;
}
