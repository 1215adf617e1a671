// Amounts of resources by name, exact.
import { parseQuantity, type Quantity, zeroQuantity } from '../quantity.ts';

export type Amounts = ReadonlyMap<string, Quantity>;

/** Throws QuantityError. */
export function amountsOf(list: Readonly<Record<string, string>> | undefined): Map<string, Quantity> {
  const out = new Map<string, Quantity>();
  if (list) for (const name in list) out.set(name, parseQuantity(list[name]!));
  return out;
}

/** In order of name, as stored. */
export function listOf(amounts: Amounts): Record<string, string> {
  return Object.fromEntries([...amounts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => [k, v.toString()]));
}

export function add(total: Map<string, Quantity>, more: Amounts): void {
  for (const [name, value] of more) {
    const sum = total.get(name);
    total.set(name, sum ? sum.add(value) : value);
  }
}

export function maxInto(total: Map<string, Quantity>, other: Amounts): void {
  for (const [name, value] of other) {
    const most = total.get(name);
    if (!most || most.compare(value) < 0) total.set(name, value);
  }
}

/** `a` minus `b`, only what is more than nothing. */
export function increase(a: Amounts, b: Amounts): Map<string, Quantity> {
  const out = new Map<string, Quantity>();
  for (const [name, value] of a) {
    const rest = value.subtract(b.get(name) ?? zeroQuantity);
    if (rest.sign > 0) out.set(name, rest);
  }
  return out;
}
