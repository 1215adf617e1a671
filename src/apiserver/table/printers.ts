// The printer of every kind: columns from the API facts, cells from the files beside this one.
import type { KubeObject } from '../../api/meta.ts';
import { readFacts } from '../../api/resource.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import type { FlowSchema } from '../../api/type/flowcontrol-v1.ts';
import { configCells } from './config.ts';
import { compareFlowSchemas, controlCells } from './control.ts';
import { deviceCells } from './device.ts';
import type { Cells, CellsByKind } from './kind.ts';
import { networkCells } from './network.ts';
import { nodeCells } from './node.ts';
import { podCells, podRowConditions } from './pod.ts';
import type { ColumnDefinition, Printer } from './printer.ts';
import { storageCells } from './storage.ts';
import { usagePrinters } from './usage.ts';
import { workloadCells } from './workload.ts';

type ColumnFact = readonly [name: string, type: string, format: string, priority: number, shows: string];
interface Facts {
  readonly kinds: readonly { k: string; g: readonly string[]; cols: readonly ColumnFact[]; unused?: 1 }[];
  readonly default: { readonly cols: readonly ColumnFact[] };
}

const cellsByKind: CellsByKind = {
  Pod: podCells,
  ...workloadCells,
  ...networkCells,
  ...nodeCells,
  ...storageCells,
  ...configCells,
  ...controlCells,
  ...deviceCells,
};

const special: Readonly<Record<string, Partial<Printer>>> = {
  Pod: { conditions: pod => podRowConditions(pod as Pod) },
  FlowSchema: { compare: (a, b) => compareFlowSchemas(a as FlowSchema, b as FlowSchema) },
};

const columnOf = ([name, type, format, priority, description]: ColumnFact): ColumnDefinition => ({
  name,
  type,
  format,
  description,
  priority,
});

let printers: Map<string, Printer> | undefined;
let fallback: Printer | undefined;

function load(): void {
  const facts = readFacts<Facts>('columns.json');
  printers = new Map();
  for (const { k, g, cols, unused } of facts.kinds) {
    if (unused) continue;
    const cells: Cells = cellsByKind[k]!;
    const columns = cols.map(columnOf);
    const printer: Printer = { columns, cells, ...special[k] };
    for (const group of g) printers.set(`${group}/${k}`, printer);
  }
  for (const [id, printer] of Object.entries(usagePrinters)) printers.set(id, printer);
  fallback = {
    columns: facts.default.cols.map(columnOf),
    cells: ({ metadata }: KubeObject) => [metadata.name ?? '', metadata.creationTimestamp ?? null],
  };
}

/** How `kubectl get` shows a kind of ours; name and creation time where nothing else is known. */
export function printerOf({ group, kind }: { group: string; kind: string }): Printer {
  if (!printers) load();
  return printers!.get(`${group}/${kind}`) ?? fallback!;
}
