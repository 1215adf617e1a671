// All functions expressions may call, by name.
import type { Overload } from '../overload.ts';
import { authorizers } from './authorizer.ts';
import { formats, jsonPatches, quantities, semvers } from './kinds.ts';
import { listExtension } from './list-extension.ts';
import { lists, regexes, sets } from './lists.ts';
import { cidrs, ips, urls } from './net.ts';
import { optionals } from './optional.ts';
import { standard } from './standard.ts';
import { strings } from './strings.ts';

function byName(...libraries: readonly (readonly Overload[])[]): ReadonlyMap<string, readonly Overload[]> {
  const out = new Map<string, Overload[]>();
  for (const overload of libraries.flat()) {
    const known = out.get(overload.name);
    if (known) known.push(overload);
    else out.set(overload.name, [overload]);
  }
  return out;
}

export const functions: ReadonlyMap<string, readonly Overload[]> = byName(
  standard,
  optionals,
  strings,
  lists,
  listExtension,
  sets,
  regexes,
  urls,
  ips,
  cidrs,
  quantities,
  semvers,
  formats,
  jsonPatches,
  authorizers,
);
