// The downward API as volumes, as the official suite looks at it.
import type { DownwardAPIVolumeFile } from '../../src/api/type/core-v1.ts';
import { field, podName, type Row, type Rows, root, show, unlimited } from './volume-row.ts';

type Item = Omit<DownwardAPIVolumeFile, 'path'>;
type More = Partial<Row> & { readonly defaultMode?: number };
const amount = (resource: string): Item => ({ resourceFieldRef: { containerName: 'main', resource } });

/** The file `$V/f` by itself. */
function downward(item: Item, expected: Row['expected'], { defaultMode, ...more }: More = {}): Row {
  const mode = defaultMode === undefined ? {} : { defaultMode };
  const volumes = [{ downwardAPI: { ...mode, items: [{ path: 'f', ...item }] } }];
  return { user: root, script: 'cat $V/f', volumes, expected, ...more };
}

/** The same file projected. */
function projectedDownward(item: Item, expected: Row['expected'], { defaultMode, ...more }: More = {}): Row {
  const mode = defaultMode === undefined ? {} : { defaultMode };
  const sources = [{ downwardAPI: { items: [{ path: 'f', ...item }] } }];
  return { ...downward(item, expected, more), volumes: [{ projected: { ...mode, sources } }] };
}

const modeAndName: Row['expected'] = pod => `400 0 0\n${pod.metadata.name}`;
const cpuOf: Row['expected'] = (_, { cpu = '' }) => cpu;
const memoryOf: Row['expected'] = (_, { memory = '' }) => String(Number.parseInt(memory, 10) * 1024);

export const downwardRows: Rows = {
  '[sig-storage] Downward API volume should provide podname only [NodeConformance]': downward(
    field('metadata.name'),
    podName,
  ),
  '[sig-storage] Downward API volume should set DefaultMode on files [LinuxOnly] [NodeConformance]': downward(
    field('metadata.name'),
    modeAndName,
    { defaultMode: 0o400, script: show('$V/f') },
  ),
  '[sig-storage] Downward API volume should set mode on item file [LinuxOnly] [NodeConformance]': downward(
    { ...field('metadata.name'), mode: 0o400 },
    modeAndName,
    { script: show('$V/f') },
  ),
  "[sig-storage] Downward API volume should provide container's cpu limit [NodeConformance]": downward(
    amount('limits.cpu'),
    '2',
  ),
  "[sig-storage] Downward API volume should provide container's cpu request [NodeConformance]": downward(
    amount('requests.cpu'),
    '1',
  ),
  "[sig-storage] Downward API volume should provide container's memory limit [NodeConformance]": downward(
    amount('limits.memory'),
    '67108864',
  ),
  "[sig-storage] Downward API volume should provide container's memory request [NodeConformance]": downward(
    amount('requests.memory'),
    '33554432',
  ),
  '[sig-storage] Downward API volume should provide node allocatable (cpu) as default cpu limit if the limit is not set [NodeConformance]':
    downward(amount('limits.cpu'), cpuOf, { user: unlimited }),
  '[sig-storage] Downward API volume should provide node allocatable (memory) as default memory limit if the limit is not set [NodeConformance]':
    downward(amount('limits.memory'), memoryOf, {
      user: unlimited,
    }),
  '[sig-storage] Projected downwardAPI should provide podname only [NodeConformance]': projectedDownward(
    field('metadata.name'),
    podName,
  ),
  '[sig-storage] Projected downwardAPI should set DefaultMode on files [LinuxOnly] [NodeConformance]':
    projectedDownward(field('metadata.name'), modeAndName, { defaultMode: 0o400, script: show('$V/f') }),
  '[sig-storage] Projected downwardAPI should set mode on item file [LinuxOnly] [NodeConformance]': projectedDownward(
    { ...field('metadata.name'), mode: 0o400 },
    modeAndName,
    { script: show('$V/f') },
  ),
  "[sig-storage] Projected downwardAPI should provide container's cpu limit [NodeConformance]": projectedDownward(
    amount('limits.cpu'),
    '2',
  ),
  "[sig-storage] Projected downwardAPI should provide container's cpu request [NodeConformance]": projectedDownward(
    amount('requests.cpu'),
    '1',
  ),
  "[sig-storage] Projected downwardAPI should provide container's memory limit [NodeConformance]": projectedDownward(
    amount('limits.memory'),
    '67108864',
  ),
  "[sig-storage] Projected downwardAPI should provide container's memory request [NodeConformance]": projectedDownward(
    amount('requests.memory'),
    '33554432',
  ),
  '[sig-storage] Projected downwardAPI should provide node allocatable (cpu) as default cpu limit if the limit is not set [NodeConformance]':
    projectedDownward(amount('limits.cpu'), cpuOf, { user: unlimited }),
  '[sig-storage] Projected downwardAPI should provide node allocatable (memory) as default memory limit if the limit is not set [NodeConformance]':
    projectedDownward(amount('limits.memory'), memoryOf, {
      user: unlimited,
    }),
};
