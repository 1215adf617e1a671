// Headers value by value: who somebody is may hold a comma.

export type DistinctHeaders = Readonly<Record<string, readonly string[]>>;

/** By lower-case name, each line of a header a value. `rawHeaders`: names and values in turn. */
export function distinctHeaders(rawHeaders: readonly string[]): DistinctHeaders {
  const made: Record<string, string[]> = Object.create(null);
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase();
    made[name] ??= [];
    made[name].push(rawHeaders[i + 1]!);
  }
  return made;
}
