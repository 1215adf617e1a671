// Lists in which items of one key come more than once, as testdata/repeated-items.json has them: who owns what after each
// write (test/interop/record-repeated.ts asks Kubernetes' library again).
import { readFileSync } from 'node:fs';

export interface RepeatedStep {
  readonly manager: string;
  readonly apply?: true;
  readonly body: object;
}

const device = (devicePath: string, name: string) => ({ devicePath, name });

function step(manager: string, volumeDevices: readonly object[], apply?: true): RepeatedStep {
  const spec = { containers: [{ name: 'a', volumeDevices }] };
  const body = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'd' }, spec };
  return { manager, body, ...(apply ? { apply } : {}) };
}

export const repeatedSteps: readonly RepeatedStep[] = [
  step('a', [device('x', '1'), device('x', '<'), device('y', '1')]),
  step('b', [device('x', '1'), device('x', '3'), device('y', '1')]),
  step('c', [device('x', '3'), device('x', '1'), device('y', '1')]),
  step('c', [device('x', '3'), device('x', '1'), device('y', '2')]),
  step('d', [device('x', '3'), device('y', '1')]),
  step('e', [device('x', '3'), device('y', '1'), device('y', '2')]),
  step('f', [device('y', '9')], true),
  step('e', [device('x', '3'), device('y', '1'), device('y', '2')]),
  step('g', [device('x', '7'), device('<&>\u2028', '1')], true),
  step('h', [device('x', '3')]),
];

export const testdata = new URL('testdata/repeated-items.json', import.meta.url);

/** What each step's object is then, without times. */
export const recorded = (): any[] => JSON.parse(readFileSync(testdata, 'utf8'));

export function shownOf({ spec, metadata }: any): object {
  const entries = metadata.managedFields.map(({ time: _, ...entry }: any) => entry);
  return {
    devices: spec.containers[0].volumeDevices,
    entries: entries.sort((a: any, b: any) => (a.manager + a.operation < b.manager + b.operation ? -1 : 1)),
  };
}
