type StringMap = Readonly<Record<string, string>> | undefined;

const none: Readonly<Record<string, string>> = {};

export function sameMap(a: StringMap, b: StringMap): boolean {
  if (a === b) return true;
  const [x, y] = [a ?? none, b ?? none];
  const keys = Object.keys(x);
  return keys.length === Object.keys(y).length && keys.every(k => Object.hasOwn(y, k) && x[k] === y[k]);
}
