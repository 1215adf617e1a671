// How much of a device that is shared a request takes.
import { parseQuantity, Quantity } from '../../../api/quantity.ts';
import type { CapacityRequestPolicy, Device } from '../../../api/type/resource-v1.ts';

export type Asked = Readonly<Record<string, string>>;

/** Has the device, empty, what is asked? Names that it does not have are not met. */
export function offers(device: Device, asked: Asked | undefined): boolean {
  for (const name in asked) {
    const has = device.capacity?.[name];
    if (!has || parseQuantity(asked[name]!).compare(parseQuantity(has.value)) > 0) return false;
  }
  return true;
}

/** What a share takes of each capacity; undefined when the device's policy does not allow what is asked. */
export function consumption(device: Device, asked: Asked | undefined): Map<string, Quantity> | undefined {
  const out = new Map<string, Quantity>();
  for (const [name, { value, requestPolicy }] of Object.entries(device.capacity ?? {})) {
    const wanted = asked?.[name];
    const taken = wanted === undefined ? unasked(value, requestPolicy) : rounded(parseQuantity(wanted), requestPolicy);
    if (!taken || taken.compare(parseQuantity(value)) > 0) return undefined;
    out.set(name, taken);
  }
  for (const name in asked) if (!out.has(name)) return undefined;
  return out;
}

/** All of it, unless the device says what those take who do not say. */
const unasked = (value: string, policy: CapacityRequestPolicy | undefined): Quantity =>
  parseQuantity(policy?.default ?? value);

/** Up to what the policy allows next. */
function rounded(wanted: Quantity, policy: CapacityRequestPolicy | undefined): Quantity | undefined {
  if (policy?.validValues?.length)
    return policy.validValues
      .map(parseQuantity)
      .sort((a, b) => a.compare(b))
      .find(v => v.compare(wanted) >= 0);
  if (!policy?.validRange) return wanted;
  const { min, max, step } = policy.validRange;
  const least = parseQuantity(min);
  let taken = wanted.compare(least) < 0 ? least : wanted;
  if (step !== undefined) {
    const by = parseQuantity(step).nano;
    const steps = by > 0n ? (taken.nano - least.nano + by - 1n) / by : 0n;
    if (by > 0n) taken = Quantity.ofNano(least.nano + steps * by, taken.format);
  }
  return max !== undefined && taken.compare(parseQuantity(max)) > 0 ? undefined : taken;
}
