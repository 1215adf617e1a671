// Config maps and secrets as volumes, by themselves, projected and by subpath, as the official suite looks at them.
import type { KeyToPath, VolumeMount } from '../../src/api/type/core-v1.ts';
import {
  type Content,
  configMap,
  dataName,
  grouped,
  nameAt,
  podName,
  type Row,
  type Rows,
  root,
  type Source,
  secret,
  show,
  type Unnamed,
  user1000,
} from './volume-row.ts';

const mapped: readonly KeyToPath[] = [{ key: 'data-2', path: 'path/to/data-2' }];
const mappedMode: readonly KeyToPath[] = [{ key: 'data-2', path: 'path/to/data-2', mode: 0o400 }];
const itemsOf = (items: Content['items']) => ({ name: dataName, ...(items ? { items } : {}) });
const projectedMap: Source = ({ items, ...rest }) => ({
  projected: { ...rest, sources: [{ configMap: itemsOf(items) }] },
});
const projectedSecret: Source = ({ items, ...rest }) => ({
  projected: { ...rest, sources: [{ secret: itemsOf(items) }] },
});

/** One file of one source. */
function file(source: Source, content: Content = {}, user = root, mode = 644): Row {
  const path = content.items ? 'path/to/data-2' : 'data-1';
  const value = content.items ? 'value-2' : 'value-1';
  const expected = `${mode} 0 ${user.fsGroup ?? 0}\n${value}`;
  return { user, volumes: [source(content)], script: show(`$V/${path}`), expected };
}

/** The same source twice. */
const twice = (source: Source): Row => ({
  user: root,
  volumes: [source({}), source({})],
  script: 'cat $V/data-1; echo; cat $W/data-1',
  expected: 'value-1\nvalue-1',
});

const files: Rows = {
  '[sig-storage] ConfigMap should be consumable from pods in volume [NodeConformance]': file(configMap),
  '[sig-storage] ConfigMap should be consumable from pods in volume as non-root [NodeConformance]': file(
    configMap,
    {},
    user1000,
  ),
  '[sig-storage] ConfigMap should be consumable from pods in volume with defaultMode set [LinuxOnly] [NodeConformance]':
    file(configMap, { defaultMode: 0o400 }, root, 400),
  '[sig-storage] ConfigMap should be consumable from pods in volume with mappings [NodeConformance]': file(configMap, {
    items: mapped,
  }),
  '[sig-storage] ConfigMap should be consumable from pods in volume with mappings and Item mode set [LinuxOnly] [NodeConformance]':
    file(configMap, { items: mappedMode }, root, 400),
  '[sig-storage] ConfigMap should be consumable from pods in volume with mappings as non-root [NodeConformance]': file(
    configMap,
    { items: mapped },
    user1000,
  ),
  '[sig-storage] ConfigMap should be consumable in multiple volumes in the same pod [NodeConformance]':
    twice(configMap),
  '[sig-storage] Projected configMap should be consumable from pods in volume [NodeConformance]': file(projectedMap),
  '[sig-storage] Projected configMap should be consumable from pods in volume as non-root [NodeConformance]': file(
    projectedMap,
    {},
    user1000,
  ),
  '[sig-storage] Projected configMap should be consumable from pods in volume with defaultMode set [LinuxOnly] [NodeConformance]':
    file(projectedMap, { defaultMode: 0o400 }, root, 400),
  '[sig-storage] Projected configMap should be consumable from pods in volume with mappings [NodeConformance]': file(
    projectedMap,
    { items: mapped },
  ),
  '[sig-storage] Projected configMap should be consumable from pods in volume with mappings and Item mode set [LinuxOnly] [NodeConformance]':
    file(projectedMap, { items: mappedMode }, root, 400),
  '[sig-storage] Projected configMap should be consumable from pods in volume with mappings as non-root [NodeConformance]':
    file(projectedMap, { items: mapped }, user1000),
  '[sig-storage] Projected configMap should be consumable in multiple volumes in the same pod [NodeConformance]':
    twice(projectedMap),
  '[sig-storage] Secrets should be consumable from pods in volume [NodeConformance]': file(secret),
  '[sig-storage] Secrets should be consumable from pods in volume as non-root with defaultMode and fsGroup set [LinuxOnly] [NodeConformance]':
    file(secret, { defaultMode: 0o440 }, grouped, 440),
  '[sig-storage] Secrets should be consumable from pods in volume with defaultMode set [LinuxOnly] [NodeConformance]':
    file(secret, { defaultMode: 0o400 }, root, 400),
  '[sig-storage] Secrets should be consumable from pods in volume with mappings [NodeConformance]': file(secret, {
    items: mapped,
  }),
  '[sig-storage] Secrets should be consumable from pods in volume with mappings and Item Mode set [LinuxOnly] [NodeConformance]':
    file(secret, { items: mappedMode }, root, 400),
  '[sig-storage] Secrets should be consumable in multiple volumes in a pod [NodeConformance]': twice(secret),
  '[sig-storage] Secrets should be able to mount in a volume regardless of a different secret existing with same name in different namespace [NodeConformance]':
    file(secret),
  '[sig-storage] Projected secret should be consumable from pods in volume [NodeConformance]': file(projectedSecret),
  '[sig-storage] Projected secret should be consumable from pods in volume as non-root with defaultMode and fsGroup set [LinuxOnly] [NodeConformance]':
    file(projectedSecret, { defaultMode: 0o440 }, grouped, 440),
  '[sig-storage] Projected secret should be consumable from pods in volume with defaultMode set [LinuxOnly] [NodeConformance]':
    file(projectedSecret, { defaultMode: 0o400 }, root, 400),
  '[sig-storage] Projected secret should be consumable from pods in volume with mappings [NodeConformance]': file(
    projectedSecret,
    { items: mapped },
  ),
  '[sig-storage] Projected secret should be consumable from pods in volume with mappings and Item Mode set [LinuxOnly] [NodeConformance]':
    file(projectedSecret, { items: mappedMode }, root, 400),
  '[sig-storage] Projected secret should be consumable in multiple volumes in a pod [NodeConformance]':
    twice(projectedSecret),
  '[sig-storage] EmptyDir wrapper volumes should not conflict': {
    user: root,
    volumes: [secret({}), configMap({})],
    script: 'cat $V/data-1 $W/data-2',
    expected: 'value-1value-2',
  },
};

const combined: Rows = {
  '[sig-storage] Projected combined should project all components that make up the projection API [Projection] [NodeConformance]':
    {
      user: root,
      volumes: [
        {
          projected: {
            sources: [
              { downwardAPI: { items: [nameAt('podname')] } },
              { secret: itemsOf([{ key: 'data-1', path: 'secret-data' }]) },
              { configMap: itemsOf([{ key: 'data-2', path: 'configmap-data' }]) },
            ],
          },
        },
      ],
      script: 'for f in podname secret-data configmap-data; do cat $V/$f; echo; done',
      expected: pod => `${pod.metadata.name}\nvalue-1\nvalue-2`,
    },
};

const nested = itemsOf([{ key: 'data-1', path: 'projected/configmap-key' }]);

/** A subpath of a volume whose files stand behind links; `$V` is the file. */
const subPath = (
  path: string,
  volume: Unnamed,
  expected: Row['expected'] = 'value-1',
  mount: Partial<VolumeMount> = {},
): Row => ({ user: root, volumes: [volume], mount: { subPath: path, ...mount }, script: 'cat $V', expected });

const subPaths: Rows = {
  '[sig-storage] Subpath Atomic writer volumes should support subpaths with configmap pod': subPath(
    'data-1',
    configMap({}),
  ),
  '[sig-storage] Subpath Atomic writer volumes should support subpaths with configmap pod with mountPath of existing file':
    subPath('data-1', configMap({}), 'value-1', { mountPath: '/etc/resolv.conf' }),
  '[sig-storage] Subpath Atomic writer volumes should support subpaths with downward pod': subPath(
    'downward/podname',
    { downwardAPI: { items: [nameAt('downward/podname')] } },
    podName,
  ),
  '[sig-storage] Subpath Atomic writer volumes should support subpaths with projected pod': subPath(
    'projected/configmap-key',
    { projected: { sources: [{ configMap: nested }] } },
  ),
  '[sig-storage] Subpath Atomic writer volumes should support subpaths with secret pod': subPath('data-1', secret({})),
};

export const contentRows: Rows = { ...files, ...combined, ...subPaths };
