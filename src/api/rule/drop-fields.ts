// How fields of a feature that is off are left out of what is written.

type Plain = Record<string, unknown>;

/** Takes `fields` away from all of `now`, if no part of `old` has any of them. Changes `now` in place. */
export function dropFields(now: readonly object[], old: readonly object[], fields: readonly string[]): void {
  const has = (o: object) => fields.some(f => (o as Plain)[f] !== undefined && (o as Plain)[f] !== false);
  if (old.some(has)) return;
  for (const o of now) for (const f of fields) delete (o as Plain)[f];
}
