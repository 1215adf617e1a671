// What differs between two plain values, for people who read a refused update.

const MAX_LINES = 60;

/** One `-` and one `+` line for each member that differs, named by its path. */
export function diffText(old: unknown, now: unknown): string {
  const lines: string[] = [];
  walk(old, now, '', lines);
  const shown = lines.slice(0, MAX_LINES);
  if (lines.length > MAX_LINES) shown.push(`  ... // ${lines.length - MAX_LINES} more lines`);
  return shown.map(l => `${l}\n`).join('');
}

function walk(old: unknown, now: unknown, at: string, lines: string[]): void {
  if (old === now) return;
  if (isObject(old) && isObject(now) && Array.isArray(old) === Array.isArray(now)) {
    const left = old as Record<string, unknown>;
    const right = now as Record<string, unknown>;
    for (const key of new Set([...Object.keys(left), ...Object.keys(right)]))
      walk(left[key], right[key], Array.isArray(old) ? `${at}[${key}]` : at ? `${at}.${key}` : key, lines);
    return;
  }
  if (old !== undefined) lines.push(`- ${at}: ${JSON.stringify(old)}`);
  if (now !== undefined) lines.push(`+ ${at}: ${JSON.stringify(now)}`);
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
