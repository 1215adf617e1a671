// What every benchmark prints: one JSON object a line on stdout, a table for people at the end.

export interface Line {
  readonly bench: string;
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** The same by a raw program in the same run, where there is one. */
  readonly raw?: number;
  /** The aim, in words. */
  readonly aim?: string;
}

const lines: Line[] = [];

export const round = (x: number, digits = 2): number => Number(x.toFixed(digits));

export function report(line: Line): void {
  const rounded = { ...line, value: round(line.value), ...(line.raw === undefined ? {} : { raw: round(line.raw) }) };
  lines.push(rounded);
  console.log(JSON.stringify(rounded));
}

export function printTable(): void {
  const rows = lines.map(l => [
    l.what,
    `${l.value} ${l.unit}`,
    l.raw === undefined ? '' : `${l.raw} ${l.unit}`,
    l.raw ? `${round(l.value / l.raw)} ×` : '',
    l.aim ?? '',
  ]);
  const head = ['what', 'k8ts', 'raw', 'ratio', 'aim'];
  console.error(`\n| ${head.join(' | ')} |\n|${head.map(() => ' --- ').join('|')}|`);
  for (const row of rows) console.error(`| ${row.join(' | ')} |`);
}
