// Values that may be absent.
import { fn, type Library } from '../overload.ts';
import { CelFault, CelList, CelMap, CelObject, CelOptional, CelUint, type CelValue } from '../value.ts';

function isZero(v: CelValue): boolean {
  if (v === null || v === false || v === 0n || v === 0 || v === '') return true;
  if (v instanceof CelUint) return v.value === 0n;
  if (v instanceof CelList || v instanceof CelMap) return v.size === 0;
  if (v instanceof CelObject) return v.names().length === 0;
  if (v instanceof Uint8Array) return v.length === 0;
  return false;
}

export const optionals: Library = [
  fn('optional.of(V): optional<V>', (v: CelValue) => new CelOptional(v)),
  fn('optional.ofNonZeroValue(V): optional<V>', (v: CelValue) => (isZero(v) ? CelOptional.none : new CelOptional(v))),
  fn('optional.none(): optional<V>', () => CelOptional.none),
  fn('optional.unwrap(list<optional<V>>): list<V>', unwrap),
  fn('list<optional<V>>::unwrapOpt(): list<V>', unwrap),
  fn('optional<V>::hasValue(): bool', (v: CelOptional) => v.value !== undefined),
  fn('optional<V>::value(): V', (v: CelOptional) => {
    if (v.value === undefined) throw new CelFault('optional.none() dereference');
    return v.value;
  }),
  fn('optional<V>::or(optional<V>): optional<V>', (v: CelOptional, other: CelOptional) =>
    v.value === undefined ? other : v,
  ),
  fn('optional<V>::orValue(V): V', (v: CelOptional, other: CelValue) => v.value ?? (v.value === null ? null : other)),
];

function unwrap(list: CelList): CelList {
  const out: CelValue[] = [];
  for (const v of list) {
    if (!(v instanceof CelOptional)) throw new CelFault('no such overload');
    if (v.value !== undefined) out.push(v.value);
  }
  return CelList.of(out);
}
