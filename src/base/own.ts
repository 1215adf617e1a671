/** What the map itself has under the key: nothing for `constructor` and the other words every object knows. */
export function own<T>(map: { readonly [key: string]: T } | null | undefined, key: string): T | undefined {
  return map && Object.hasOwn(map, key) ? map[key] : undefined;
}
