// Numbers of a strategic merge patch. It goes into the struct field by field, as Go converts numbers: what a field has
// no room for is cut off to its lowest bits, without a word.
import { isPlain, type Plain, setKey } from '../api/patch/plain.ts';
import { schemaOf, type TypeRef } from '../api/schema.ts';
import { isInt64, minInt64, type WholeNumber, wholeNumber } from '../base/whole-number.ts';

/** Whether any number may be too large for a field. */
export function hasLarge(patch: unknown): boolean {
  if (typeof patch === 'number') return Math.abs(patch) >= 2 ** 31;
  if (typeof patch !== 'object' || patch === null) return typeof patch === 'bigint';
  return Object.values(patch).some(hasLarge);
}

/** A copy of the patched object with every whole number in the range of its field. */
export function cutNumbers(type: TypeRef, value: unknown): unknown {
  if (Array.isArray(value)) return type.kind === 'list' ? value.map(item => cutNumbers(type.item, item)) : value;
  if (isPlain(value)) return cutFields(type, value);
  if (type.kind !== 'scalar' || (type.scalar !== 'int32' && type.scalar !== 'int64')) return value;
  return isWhole(value) ? cut(value, type.scalar === 'int32' ? 32 : 64) : value;
}

function cutFields(type: TypeRef, value: Plain): Plain {
  if (type.kind !== 'struct' && type.kind !== 'map') return value;
  const out: Plain = {};
  for (const key of Object.keys(value)) {
    const field = type.kind === 'map' ? type.value : schemaOf(type.name).byName.get(key)?.type;
    setKey(out, key, field ? cutNumbers(field, value[key]) : value[key]);
  }
  return out;
}

const isWhole = (value: unknown): value is WholeNumber => typeof value === 'bigint' || Number.isInteger(value);

/** A float past 64 bits is the least number there is, as on amd64. */
function cut(value: WholeNumber, bits: number): WholeNumber {
  const whole = BigInt(value);
  return wholeNumber(BigInt.asIntN(bits, isInt64(whole) ? whole : minInt64));
}
