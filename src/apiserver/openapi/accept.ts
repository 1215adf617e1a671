// Which form of an OpenAPI document a client would have.

/** The type of `offered` that `accept` likes best, the first of them where it does not say; undefined for none. */
export function preferred(accept: string | undefined, offered: readonly string[]): string | undefined {
  if (!accept) return offered[0];
  const clauses = accept.split(',').map(text => {
    const [type = '', ...parameters] = text.split(';').map(s => s.trim());
    const q = parameters.find(p => p.startsWith('q='));
    // Clients write an @ that stands for a dot.
    return { type: type.replace('@', '.'), q: q ? Number(q.slice(2)) || 0 : 1 };
  });
  for (const { type } of clauses.sort((a, b) => b.q - a.q)) {
    const found = offered.find(o => type === o || type === '*/*' || type === `${o.slice(0, o.indexOf('/'))}/*`);
    if (found) return found;
  }
  return undefined;
}
