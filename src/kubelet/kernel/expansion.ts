/**
 * Replaces `$(NAME)` by `lookup(NAME)`; what lookup does not know stays as written, `$$` becomes `$`.
 * Kubernetes' rules for command, args, env values and subPathExpr.
 */
export function expand(input: string, lookup: (name: string) => string | undefined): string {
  if (!input.includes('$')) return input;
  let out = '';
  for (let i = 0; i < input.length; i++) {
    const c = input[i]!;
    if (c !== '$' || i + 1 >= input.length) {
      out += c;
      continue;
    }
    const next = input[i + 1]!;
    if (next === '(') {
      const end = input.indexOf(')', i + 2);
      if (end < 0) {
        out += '$(';
        i++;
        continue;
      }
      const name = input.slice(i + 2, end);
      out += lookup(name) ?? `$(${name})`;
      i = end;
    } else {
      out += next === '$' ? '$' : `$${next}`;
      i++;
    }
  }
  return out;
}

/** Like expand, but what is unknown is an error: for subPathExpr. Returns the names that are missing. */
export function expandStrict(
  input: string,
  lookup: (name: string) => string | undefined,
): { value: string; missing: readonly string[] } {
  const missing: string[] = [];
  const value = expand(input, name => {
    const found = lookup(name);
    if (found === undefined) missing.push(name);
    return found;
  });
  return { value, missing };
}
