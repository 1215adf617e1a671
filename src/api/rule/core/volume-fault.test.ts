import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkFaults, create, ruleContext, update, wording } from '../testing.ts';
import { claimStrategy } from './claim.ts';
import { volumeStrategy } from './volume.ts';

const metadata = { name: 'x', namespace: 'a', resourceVersion: '1' };
const size = (storage: string) => ({ resources: { requests: { storage } } });
const claimed = { accessModes: ['ReadWriteOnce'], ...size('1Gi') };
const claimFaults = (more: object) =>
  create(claimStrategy, { metadata: { name: 'x', namespace: 'a' }, spec: { ...claimed, ...more } }).errors;
const PVC = { kind: 'PersistentVolumeClaim', name: 'p' };

test('claims', () => {
  checkFaults(
    {
      'no access mode': [{ accessModes: [] }, 'spec.accessModes: Required value: at least 1 access mode is required'],
      'access mode': [
        { accessModes: ['Sometimes'] },
        'spec.accessModes: Unsupported value: "Sometimes": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"',
      ],
      'one pod and others': [
        { accessModes: ['ReadWriteOncePod', 'ReadWriteOnce'] },
        'spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes',
      ],
      'no size': [{ resources: {} }, 'spec.resources[storage]: Required value'],
      'size of nothing': [size('0'), 'spec.resources[storage]: Invalid value: "0": must be greater than zero'],
      class: [{ storageClassName: 'A' }, `spec.storageClassName: Invalid value: "A": ${wording.subdomain}`],
      'no class': [{ storageClassName: '', volumeAttributesClassName: '' }],
      'attributes class': [
        { volumeAttributesClassName: 'A' },
        `spec.volumeAttributesClassName: Invalid value: "A": ${wording.subdomain}`,
      ],
      mode: [
        { volumeMode: 'Tape' },
        'spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"',
      ],
      'source without name': [
        { dataSourceRef: { ...PVC, name: '' } },
        'spec.dataSource.name: Required value',
        'spec.dataSourceRef.name: Required value',
      ],
      'source without kind': [
        { dataSourceRef: { apiGroup: 'a.io', kind: '', name: 'n' } },
        'spec.dataSource.kind: Required value',
        'spec.dataSourceRef.kind: Required value',
      ],
      'source of the core group': [
        { dataSourceRef: { kind: 'Pod', name: 'n' } },
        'spec.dataSource: Invalid value: "Pod": must be \'PersistentVolumeClaim\' when referencing the default apiGroup',
        'spec.dataSourceRef: Invalid value: "Pod": must be \'PersistentVolumeClaim\' when referencing the default apiGroup',
      ],
      'group of the source': [
        { dataSourceRef: { apiGroup: 'A', kind: 'K', name: 'n' } },
        `spec.dataSource.apiGroup: Invalid value: "A": ${wording.subdomain}`,
        `spec.dataSourceRef.apiGroup: Invalid value: "A": ${wording.subdomain}`,
      ],
      'two sources': [
        { dataSource: PVC, dataSourceRef: { ...PVC, name: 'q' } },
        'spec: Invalid value: {}: must match dataSourceRef',
      ],
    },
    claimFaults,
  );
});

test('claims of what other namespaces hold', () => {
  const context = ruleContext('', { CrossNamespaceVolumeDataSource: true });
  const said = (more: object) =>
    create(claimStrategy, { metadata: { name: 'x', namespace: 'a' }, spec: { ...claimed, ...more } }, context).errors;
  checkFaults(
    {
      namespace: [
        { dataSourceRef: { ...PVC, namespace: 'B' } },
        `spec.dataSourceRef.namespace: Invalid value: "B": ${wording.label}`,
      ],
      'the old name too': [
        { dataSource: PVC, dataSourceRef: { ...PVC, namespace: 'b' } },
        'spec: Invalid value: {}: may not be specified when dataSourceRef.namespace is specified',
      ],
    },
    said,
  );
});

test('changes of claims', () => {
  const CLASS = 'volume.beta.kubernetes.io/storage-class';
  const claim = (more: object, annotations?: object, status: object = { phase: 'Pending' }) =>
    ({
      metadata: { ...metadata, annotations },
      spec: { volumeMode: 'Filesystem', ...claimed, ...more },
      status,
    }) as any;
  const told = (now: object, old: object) => update(claimStrategy, now, old as any).errors;
  assert.deepEqual(told(claim({}, { [CLASS]: 'b' }), claim({}, { [CLASS]: 'a' })), [
    `metadata.annotations[${CLASS}]: Invalid value: "b": field is immutable`,
  ]);
  assert.deepEqual(told(claim({ storageClassName: 'a' }), claim({}, { [CLASS]: 'a' })), []);
  assert.deepEqual(told(claim({ volumeMode: 'Block' }), claim({})), [
    'spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n- volumeMode: "Filesystem"\n+ volumeMode: "Block"\n',
    'volumeMode: Invalid value: "Block": field is immutable',
  ]);
  const classed = (volumeAttributesClassName: string | undefined, current?: string) =>
    claim({ volumeAttributesClassName }, undefined, { phase: 'Bound', currentVolumeAttributesClassName: current });
  const at = 'spec.volumeAttributesClassName: Forbidden: update from non-nil value to';
  assert.deepEqual(told(classed('b', 'a'), classed('a', 'a')), []);
  assert.deepEqual(told(classed(undefined, 'a'), classed('a', 'a')), [`${at} nil is forbidden`]);
  assert.deepEqual(told(classed('', 'a'), classed('a', 'a')), [`${at} an empty string is forbidden`]);
  // A first class that could not be had is given up.
  assert.deepEqual(told(classed(undefined), classed('a')), []);
});

const volume = { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' } };
const host = (more: object = {}) => ({ ...volume, hostPath: { path: '/a' }, ...more });
const csi = (more: object) => ({ ...volume, csi: { driver: 'a.io', volumeHandle: 'h', ...more } });
const volumeFaults = (spec: object) => create(volumeStrategy, { metadata: { name: 'x' }, spec }).errors;

test('volumes', () => {
  checkFaults(
    {
      whole: [host()],
      'access mode': [
        host({ accessModes: ['Sometimes'] }),
        'spec.accessModes: Unsupported value: "Sometimes": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"',
      ],
      'one pod and others': [
        host({ accessModes: ['ReadWriteOncePod', 'ReadWriteOnce'] }),
        'spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes',
      ],
      'capacity of nothing': [
        host({ capacity: { storage: '0' } }),
        'spec.capacity[storage]: Invalid value: "0": must be greater than zero',
      ],
      'reclaim policy': [
        host({ persistentVolumeReclaimPolicy: 'Forget' }),
        'spec.persistentVolumeReclaimPolicy: Unsupported value: "Forget": supported values: "Delete", "Recycle", "Retain"',
      ],
      class: [host({ storageClassName: 'A' }), `spec.storageClassName: Invalid value: "A": ${wording.subdomain}`],
      mode: [
        host({ volumeMode: 'Tape' }),
        'spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"',
      ],
      'affinity of none': [
        host({ nodeAffinity: {} }),
        'spec.nodeAffinity.required: Required value: must specify required node constraints',
      ],
      'no source': [volume, 'spec: Required value: must specify a volume type'],
      'no path': [host({ hostPath: { path: '' } }), 'spec.hostPath.path: Required value'],
      'kind of path': [
        host({ hostPath: { path: '/a', type: 'Tape' } }),
        'spec.hostPath.type: Unsupported value: "Tape": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"',
      ],
      'all of the machine is not wiped': [
        host({ hostPath: { path: '/./' }, persistentVolumeReclaimPolicy: 'Recycle' }),
        "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'",
      ],
      'no handle': [csi({ volumeHandle: '' }), 'spec.csi.volumeHandle: Required value'],
      'secret without name': [
        csi({ nodePublishSecretRef: { namespace: 'a' } }),
        'spec.csi.nodePublishSecretRef.name: Required value',
      ],
      'name of a secret': [
        csi({ nodeExpandSecretRef: { name: 'A', namespace: 'a' } }),
        `spec.csi.nodeExpandSecretRef.name: Invalid value: "A": ${wording.subdomain}`,
      ],
      'secret without namespace': [
        csi({ controllerPublishSecretRef: { name: 'a' } }),
        'spec.csi.controllerPublishSecretRef.namespace: Required value',
      ],
      'namespace of a secret': [
        csi({ controllerExpandSecretRef: { name: 'a', namespace: 'A' } }),
        `spec.csi.controllerExpandSecretRef.namespace: Invalid value: "A": ${wording.label}`,
      ],
      'attributes class of no name': [
        { ...csi({}), volumeAttributesClassName: '' },
        'spec.volumeAttributesClassName: Required value: an empty string is disallowed',
      ],
      'attributes class': [
        { ...csi({}), volumeAttributesClassName: 'A' },
        `spec.volumeAttributesClassName: Invalid value: "A": ${wording.subdomain}`,
      ],
      'attributes without driver': [
        host({ volumeAttributesClassName: 'a' }),
        'spec.csi: Required value: has to be specified when using volumeAttributesClassName',
      ],
    },
    volumeFaults,
  );
});

test('which nodes can reach a volume', () => {
  const at = 'spec.nodeAffinity.required.nodeSelectorTerms';
  const expression = (operator: string, values?: string[], key = 'k') => ({
    matchExpressions: [{ key, operator, values }],
  });
  const field = (operator: string, values: string[], key = 'metadata.name') => ({
    matchFields: [{ key, operator, values }],
  });
  const [expressions, fields] = [`${at}[0].matchExpressions[0]`, `${at}[0].matchFields[0]`];
  assert.deepEqual(volumeFaults(host({ nodeAffinity: { required: { nodeSelectorTerms: [] } } })), [
    `${at}: Required value: must have at least one node selector term`,
  ]);
  checkFaults(
    {
      whole: [expression('In', ['v'])],
      'none of none': [
        expression('In'),
        `${expressions}.values: Required value: must be specified when \`operator\` is 'In' or 'NotIn'`,
      ],
      'not in none': [
        expression('NotIn', []),
        `${expressions}.values: Required value: must be specified when \`operator\` is 'In' or 'NotIn'`,
      ],
      'what is there has any value': [
        expression('Exists', ['v']),
        `${expressions}.values: Forbidden: may not be specified when \`operator\` is 'Exists' or 'DoesNotExist'`,
      ],
      'what is not there has none': [
        expression('DoesNotExist', ['v']),
        `${expressions}.values: Forbidden: may not be specified when \`operator\` is 'Exists' or 'DoesNotExist'`,
      ],
      'greater than two': [
        expression('Gt', ['1', '2']),
        `${expressions}.values: Required value: must be specified single value when \`operator\` is 'Lt' or 'Gt'`,
      ],
      operator: [
        expression('Like', ['v']),
        `${expressions}.operator: Invalid value: "Like": not a valid selector operator`,
      ],
      key: [expression('Exists', undefined, '-'), `${expressions}.key: Invalid value: "-": ${wording.qualified}`],
      value: [expression('In', ['v', '-']), `${expressions}.values[1]: Invalid value: "-": ${wording.labelValue}`],
      'operator of a field': [
        field('Exists', []),
        `${fields}.operator: Invalid value: "Exists": not a valid selector operator`,
      ],
      'two names': [
        field('In', ['a', 'b']),
        `${fields}.values: Required value: must be only one value when \`operator\` is 'In' or 'NotIn' for node field selector`,
      ],
      'no field': [
        field('In', ['a'], 'spec.x'),
        `${fields}.key: Invalid value: "spec.x": not a valid field selector key`,
      ],
      'name of a node': [field('NotIn', ['A']), `${fields}.values[0]: Invalid value: "A": ${wording.subdomain}`],
    },
    term => volumeFaults(host({ nodeAffinity: { required: { nodeSelectorTerms: [term] } } })),
  );
});

test('what of a volume stays', () => {
  const term = (value: string) => ({
    required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'k', operator: 'In', values: [value] }] }] },
  });
  const stored = (spec: object) => ({ metadata, spec: { volumeMode: 'Filesystem', ...spec } }) as any;
  const told = (now: object, old: object) =>
    update(volumeStrategy, stored(now), create(volumeStrategy, stored(old)).object).errors;
  assert.deepEqual(told(host({ volumeMode: 'Block' }), host()), [
    'volumeMode: Invalid value: "Block": field is immutable',
  ]);
  assert.deepEqual(told(host({ nodeAffinity: term('a') }), host()), []);
  // Of values of Kubernetes' own types the names are Go's.
  assert.deepEqual(told(host({ nodeAffinity: term('b') }), host({ nodeAffinity: term('a') })), [
    'nodeAffinity: Invalid value: {"Required":{"NodeSelectorTerms":[{"MatchExpressions":[{"Key":"k","Operator":"In","Values":["b"]}],"MatchFields":null}]}}: field is immutable',
  ]);
  assert.deepEqual(told(host(), host({ nodeAffinity: term('a') })), [
    'nodeAffinity: Invalid value: null: field is immutable',
  ]);
});
