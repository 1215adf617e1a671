// How `kubectl get` shows what metrics.k8s.io serves.
import type { KubeObject } from '../../api/meta.ts';
import { parseQuantity } from '../../api/quantity.ts';
import type { NodeMetrics, PodMetrics } from '../../api/type/metrics-v1beta1.ts';
import type { ColumnDefinition, Printer } from './printer.ts';

const column = (name: string, format = ''): ColumnDefinition => ({
  name,
  type: 'string',
  format,
  description: '',
  priority: 0,
});
const columns = [column('Name', 'name'), column('cpu'), column('memory'), column('Window')];

type Amounts = Readonly<Record<string, string>>;
const printer = (amounts: (object: KubeObject) => readonly Amounts[]): Printer => ({
  columns,
  cells: object => {
    const all = amounts(object);
    const total = (name: string) =>
      all
        .map(usage => parseQuantity(usage[name] ?? '0'))
        .reduce((sum, q) => sum.add(q))
        .toString();
    return [object.metadata.name, total('cpu'), total('memory'), (object as unknown as NodeMetrics).window];
  },
});

export const usagePrinters: Readonly<Record<string, Printer>> = {
  'metrics.k8s.io/NodeMetrics': printer(object => [(object as unknown as NodeMetrics).usage]),
  'metrics.k8s.io/PodMetrics': printer(object => (object as unknown as PodMetrics).containers.map(c => c.usage)),
};
