import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, ruleContext, update } from '../testing.ts';
import { claimStrategy } from './claim.ts';
import { causes } from './test-pod.ts';
import { volumeStrategy } from './volume.ts';

const metadata = { name: 'x' };
const common = { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' } };
const volumeOf = (spec: object) => ({ metadata, spec: { ...common, ...spec } });
const inVolume = (spec: object) => create(volumeStrategy, volumeOf(spec)).errors;
const inPod = (source: object) => causes({ volumes: [{ name: 'v', ...source }] });

const qualified = 'must be valid format starting with iqn, eui, or naa';
const pairs = 'must be a host:port pair or multiple pairs separated by commas';
const blob = '"https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"';
const managed = '"/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"';

/** A source, and what is wrong with it in pods and PersistentVolumes alike. */
const BOTH: readonly (readonly [source: object, ...errors: string[]])[] = [
  [
    { nfs: { server: 's', path: '' } },
    'nfs.path: Required value',
    'nfs.path: Invalid value: "": must be an absolute path',
  ],
  [{ nfs: { server: '', path: '/a' } }, 'nfs.server: Required value'],
  [
    { gcePersistentDisk: { partition: 256 } },
    'gcePersistentDisk.pdName: Required value',
    'gcePersistentDisk.partition: Invalid value: 256: must be between 1 and 255, inclusive',
  ],
  [{ awsElasticBlockStore: {} }, 'awsElasticBlockStore.volumeID: Required value'],
  [{ rbd: { monitors: [] } }, 'rbd.monitors: Required value', 'rbd.image: Required value'],
  [{ cephfs: {} }, 'cephfs.monitors: Required value'],
  [{ glusterfs: {} }, 'glusterfs.endpoints: Required value', 'glusterfs.path: Required value'],
  [{ flocker: {} }, 'flocker: Required value: one of datasetName and datasetUUID is required'],
  [{ fc: {} }, 'fc.targetWWNs: Required value: must specify either targetWWNs or wwids, but not both'],
  [{ quobyte: { volume: 'v' } }, `quobyte.registry: Required value: ${pairs}`],
  [{ quobyte: { registry: 'a:1,b', volume: 'v' } }, `quobyte.registry: Invalid value: "a:1,b": ${pairs}`],
  [
    { quobyte: { registry: '[::1]:1', tenant: 'x'.repeat(65) } },
    'quobyte.tenant: Required value: must be a UUID and may not exceed a length of 64 characters',
    'quobyte.volume: Required value',
  ],
  [{ quobyte: { registry: '[::1]:1,b:2', volume: 'v' } }],
  [
    { flexVolume: { driver: '', options: { a: '', 'X.K8S.io/a': '', 'kubernetes.io': '', 'ak8s.io': '' } } },
    'flexVolume.driver: Required value',
    'flexVolume.options[X.K8S.io/a]: Invalid value: "X.K8S.io/a": kubernetes.io and k8s.io namespaces are reserved',
    'flexVolume.options[kubernetes.io]: Invalid value: "kubernetes.io": kubernetes.io and k8s.io namespaces are reserved',
  ],
  [
    { azureDisk: { diskName: 'd', diskURI: 'x' } },
    `azureDisk.diskURI: Unsupported value: "x": supported values: ${blob}`,
  ],
  [
    { azureDisk: { diskName: 'd', diskURI: 'https://x', kind: 'Managed' } },
    `azureDisk.diskURI: Unsupported value: "https://x": supported values: ${managed}`,
  ],
  [{ azureDisk: { diskName: 'd', diskURI: 'https://x' } }],
  [{ photonPersistentDisk: {} }, 'photonPersistentDisk.pdID: Required value'],
  [{ portworxVolume: {} }, 'portworxVolume.volumeID: Required value'],
  [{ vsphereVolume: {} }, 'vsphereVolume.volumePath: Required value'],
  [
    { scaleIO: {} },
    'scaleIO.gateway: Required value',
    'scaleIO.system: Required value',
    'scaleIO.volumeName: Required value',
  ],
  [
    { storageos: { secretRef: { namespace: 'a' } } },
    'storageos.volumeName: Required value',
    'storageos.secretRef.name: Required value',
  ],
  [
    { iscsi: { targetPortal: 'p', iqn: 'x', initiatorName: 'y' } },
    `iscsi.iqn: Invalid value: "x": ${qualified}`,
    'iscsi.initiatorname: Invalid value: "y": must be valid format',
  ],
  [
    { iscsi: { targetPortal: 'p', iqn: 'eui.1', chapAuthSession: true } },
    'iscsi.iqn: Invalid value: "eui.1": must be valid format',
    'iscsi.secretRef: Required value',
  ],
  [{ iscsi: { targetPortal: 'p', iqn: 'iqn.2020-01.io.x:a', secretRef: { name: 's' } } }],
];

for (const [source, ...errors] of BOTH) {
  test(`as source: ${JSON.stringify(source)}`, () => {
    assert.deepEqual(
      inVolume(source),
      errors.map(e => `spec.${e}`),
    );
    assert.deepEqual(
      inPod(source),
      errors.map(e => `spec.volumes[0].${e}`),
    );
  });
}

test('volumes name the namespaces of secrets and endpoints', () => {
  const csi = {
    driver: 'd',
    volumeHandle: 'h',
    nodePublishSecretRef: { name: 's' },
    nodeExpandSecretRef: { namespace: 'n' },
  };
  const cases: [object, ...string[]][] = [
    [{ csi }, 'csi.nodePublishSecretRef.namespace: Required value', 'csi.nodeExpandSecretRef.name: Required value'],
    [{ cinder: { volumeID: 'v', secretRef: { name: 's' } } }, 'cinder.secretRef.namespace: Required value'],
    [{ storageos: { volumeName: 'v', secretRef: { name: 's' } } }, 'storageos.secretRef.namespace: Required value'],
    [
      { azureFile: { secretName: 's', shareName: 's', secretNamespace: '' } },
      'azureFile.secretNamespace: Required value',
    ],
    [
      { glusterfs: { endpoints: 'e', path: 'p', endpointsNamespace: '' } },
      'glusterfs.endpointsNamespace: Invalid value: "": if the endpointnamespace is set, it must be a valid namespace name',
    ],
  ];
  for (const [spec, ...errors] of cases)
    assert.deepEqual(
      inVolume(spec),
      errors.map(e => `spec.${e}`),
    );
});

test('classes of attributes need a driver', () => {
  const hostPath = { path: '/a' };
  assert.deepEqual(inVolume({ hostPath, volumeAttributesClassName: '' }), [
    'spec.volumeAttributesClassName: Required value: an empty string is disallowed',
    'spec.csi: Required value: has to be specified when using volumeAttributesClassName',
  ]);
});

test('sources of volumes get the defaults that those of pods get', () => {
  const { spec } = create(volumeStrategy, volumeOf({ rbd: { monitors: ['m'], image: 'i' } })).object;
  assert.deepEqual(spec.rbd, { monitors: ['m'], image: 'i', pool: 'rbd', user: 'admin', keyring: '/etc/ceph/keyring' });
});

test('warns of what volumes and claims should no longer say', () => {
  const affinity = {
    nodeSelectorTerms: [{ matchExpressions: [{ key: 'beta.kubernetes.io/os', operator: 'Exists' }] }],
  };
  const { object } = create(volumeStrategy, {
    metadata: { name: 'x', annotations: { 'volume.beta.kubernetes.io/mount-options': 'ro' } },
    spec: {
      ...common,
      persistentVolumeReclaimPolicy: 'Recycle',
      cephfs: { monitors: ['m'] },
      nodeAffinity: { required: affinity },
    },
  });
  assert.deepEqual(volumeStrategy.warnings!(object, undefined, ruleContext()), [
    'metadata.annotations[volume.beta.kubernetes.io/mount-options]: deprecated since v1.31; use "mountOptions" attribute instead',
    'spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.',
    'spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].key: beta.kubernetes.io/os is deprecated since v1.14; use "kubernetes.io/os" instead',
    'spec.cephfs: deprecated in v1.28, non-functional in v1.31+',
  ]);
  const claim = create(claimStrategy, claimOf({}, '1500m')).object;
  assert.deepEqual(claimStrategy.warnings!(claim, undefined, ruleContext()), [
    'spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer',
  ]);
});

const claimOf = (more: object, storage = '1Gi') => ({
  metadata: { name: 'x', namespace: 'a' },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } }, ...more },
});

test('the old name of a source drops what it cannot say', () => {
  const other = { apiGroup: 'x.io', kind: 'Backup', name: 'b' };
  const snapshot = { apiGroup: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot', name: 's' };
  const sources = (more: object) => {
    const { object, errors } = create(claimStrategy, claimOf(more));
    return [object.spec.dataSource, object.spec.dataSourceRef, ...errors];
  };
  assert.deepEqual(sources({ dataSource: other }), [undefined, undefined]);
  assert.deepEqual(sources({ dataSourceRef: other }), [other, other]);
  assert.deepEqual(sources({ dataSource: snapshot }), [snapshot, snapshot]);
  assert.deepEqual(sources({ dataSourceRef: { ...other, namespace: 'n' } }), [undefined, undefined]);
  assert.deepEqual(sources({ dataSource: snapshot, dataSourceRef: other }).slice(2), [
    'spec: Invalid value: {}: must match dataSourceRef',
  ]);
  const crossing = ruleContext('', { CrossNamespaceVolumeDataSource: true });
  const both = claimOf({ dataSource: snapshot, dataSourceRef: { ...snapshot, namespace: 'n' } });
  assert.deepEqual(create(claimStrategy, both, crossing).errors, [
    'spec: Invalid value: {}: may not be specified when dataSourceRef.namespace is specified',
  ]);
  // A claim that has such a source keeps it.
  const old = { ...claimOf({ dataSource: other, dataSourceRef: other, volumeMode: 'Filesystem' }), status: {} };
  assert.deepEqual(update(claimStrategy, old, old as never).object.spec.dataSource, other);
});

test('how a claim grows', () => {
  const old = { ...claimOf({}), status: {} };
  const status = { allocatedResources: { storage: '-1' }, allocatedResourceStatuses: { storage: 'Growing' } };
  assert.deepEqual(update(claimStrategy, { ...old, status }, old as never, ruleContext('status')).errors, [
    'status.allocatedResources[storage]: Invalid value: "-1": must be greater than or equal to 0',
    'status.allocatedResourceStatus[storage]: Unsupported value: "Growing": supported values: "ControllerResizeInfeasible", "ControllerResizeInProgress", "NodeResizeInfeasible", "NodeResizeInProgress", "NodeResizePending"',
  ]);
});
