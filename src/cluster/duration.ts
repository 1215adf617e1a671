// Durations as people type them: 90s, 1h30m, 250ms, 7d.
const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** In milliseconds. Throws an error that shows the forms there are. */
export function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)];
  if (parts.length === 0 || parts.map(p => p[0]).join('') !== text)
    throw new Error(`invalid duration ${JSON.stringify(text)}: write it like 250ms, 90s, 1h30m or 7d`);
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * units[unit!]!, 0);
}
