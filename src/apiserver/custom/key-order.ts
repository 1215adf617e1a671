// Custom objects are stored and shown with the keys of every object in order.
import { isPlain, type Plain, setKey } from '../../api/patch/plain.ts';
import { freeNumber } from '../../base/whole-number.ts';

/** A private copy of JSON data with the keys of every object in order; whole numbers past 64 bits become floats. */
export function sortedCopy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedCopy);
  if (!isPlain(value)) return typeof value === 'bigint' ? freeNumber(value) : value;
  const out: Plain = {};
  for (const key of Object.keys(value).sort()) if (value[key] !== undefined) setKey(out, key, sortedCopy(value[key]));
  return out;
}

/** Keys in order all the way down; what is in order already is shared. */
export function sorted(value: Plain): Plain {
  const out: Plain = {};
  for (const key of Object.keys(value).sort()) if (value[key] !== undefined) setKey(out, key, inOrder(value[key]));
  return out;
}

function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(inOrder);
    return items.some((item, i) => item !== value[i]) ? items : value;
  }
  if (!isPlain(value)) return value;
  let previous = '';
  for (const key of Object.keys(value)) {
    if (key < previous || value[key] === undefined) return sorted(value);
    previous = key;
  }
  // Each part is looked at once: to look again at every level would double the work with each.
  const moved = new Map<string, unknown>();
  for (const key of Object.keys(value)) {
    const child = value[key];
    if (typeof child !== 'object' || child === null) continue;
    const now = inOrder(child);
    if (now !== child) moved.set(key, now);
  }
  if (!moved.size) return value;
  const out: Plain = {};
  for (const key of Object.keys(value)) setKey(out, key, moved.has(key) ? moved.get(key) : value[key]);
  return out;
}
