// All functions expressions may call, by name.
import type { Overload } from '../overload.ts';
import { optionals } from './optional.ts';
import { standard } from './standard.ts';

function byName(...libraries: readonly (readonly Overload[])[]): ReadonlyMap<string, readonly Overload[]> {
  const out = new Map<string, Overload[]>();
  for (const overload of libraries.flat()) {
    const known = out.get(overload.name);
    if (known) known.push(overload);
    else out.set(overload.name, [overload]);
  }
  return out;
}

export const functions = byName(standard, optionals);
