/**
 * Which of `all` to run, as kube-controller-manager reads --controllers: the first item that names a controller decides
 * (`foo` or `-foo`), otherwise `*` takes it unless it is off by default.
 */
export function selectControllers<T extends { readonly name: string }>(
  all: readonly T[],
  select: readonly string[] = ['*'],
  offByDefault: readonly string[] = [],
): T[] {
  const star = select.includes('*');
  const known = new Set(all.map(c => c.name));
  for (const item of select) {
    const name = item.replace(/^-/, '');
    if (item !== '*' && !known.has(name)) throw new Error(`"${name}" is not in the list of known controllers`);
  }
  return all.filter(({ name }) => {
    const decisive = select.find(s => s === name || s === `-${name}`);
    return decisive ? decisive === name : star && !offByDefault.includes(name);
  });
}
