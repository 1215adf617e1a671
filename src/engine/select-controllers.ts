/**
 * Which of `all` to run, as kube-controller-manager reads --controllers: the first item that names a controller decides
 * (`foo` or `-foo`), otherwise `*` takes it unless it is off by default. Throws for a name that is neither of one of
 * `all` nor in `known`.
 */
export function selectControllers<T extends { readonly name: string }>(
  all: readonly T[],
  select: readonly string[] = ['*'],
  offByDefault: readonly string[] = [],
  known: ReadonlySet<string> = new Set(),
): T[] {
  const star = select.includes('*');
  const present = new Set(all.map(c => c.name));
  for (const item of select) {
    const name = item.replace(/^-/, '');
    if (item !== '*' && !present.has(name) && !known.has(name))
      throw new Error(`"${name}" is not in the list of known controllers`);
  }
  return all.filter(({ name }) => {
    const decisive = select.find(s => s === name || s === `-${name}`);
    return decisive ? decisive === name : star && !offByDefault.includes(name);
  });
}
