// What is wrong in volumes of pods, file by file.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PodSpec, Volume } from '../../type/core-v1.ts';
import { create, ruleContext } from '../testing.ts';
import { podStrategy } from './pod.ts';
import { causes, type Loose, podOf } from './test-pod.ts';

const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const MODE = 'must be a number between 0 and 0777 (octal), both inclusive';
const RELATIVE = 'must be a relative path';

type Case = readonly [object, ...string[]];
/** Cases of the source of one volume. */
function each(at: string, cases: readonly Case[], spec: Loose<PodSpec> = {}): void {
  for (const [source, ...expected] of cases)
    assert.deepEqual(
      causes({ volumes: [{ name: 'v', ...source }], ...spec }),
      expected.map(e => `spec.volumes[0].${at}${e}`),
      JSON.stringify(source).slice(0, 300),
    );
}

test('names of volumes', () => {
  const named = (...names: string[]) => causes({ volumes: names.map(name => ({ name })) });
  assert.deepEqual(named(''), ['spec.volumes[0].name: Required value']);
  assert.deepEqual(named('V'), [`spec.volumes[0].name: Invalid value: "V": ${LABEL}`]);
  assert.deepEqual(named('v', 'v'), ['spec.volumes[1].name: Duplicate value: "v"']);
  const none = create(
    { ...podStrategy, default: undefined } as unknown as typeof podStrategy,
    podOf({ volumes: [{ name: 'v' }] }),
  ).errors;
  assert.ok(none.includes('spec.volumes[0]: Required value: must specify a volume type'));
});

test('sources that stand alone', () => {
  each('', [
    [
      { emptyDir: { sizeLimit: '-1' } },
      'emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity',
    ],
    [{ hostPath: { path: '' } }, 'hostPath.path: Required value'],
    [{ gitRepo: { repository: '', directory: 'a' } }, 'gitRepo.repository: Required value'],
    [{ gitRepo: { repository: 'r', directory: '/a' } }, `gitRepo.directory: Invalid value: "/a": ${RELATIVE}`],
    [{ secret: { secretName: '' } }, 'secret.secretName: Required value'],
    [{ secret: { secretName: 's', defaultMode: -1 } }, `secret.defaultMode: Invalid value: -1: ${MODE}`],
    [{ configMap: { name: '' } }, 'configMap.name: Required value'],
    [{ downwardAPI: { defaultMode: 512 } }, `downwardAPI.defaultMode: Invalid value: 512: ${MODE}`],
    [{ projected: { defaultMode: 512, sources: [] } }, `projected.defaultMode: Invalid value: 512: ${MODE}`],
    [{ persistentVolumeClaim: { claimName: '' } }, 'persistentVolumeClaim.claimName: Required value'],
    [{ csi: { driver: '' } }, 'csi.driver: Required value'],
    [{ csi: { driver: 'A_b' } }, `csi.driver: Invalid value: "A_b": ${SUBDOMAIN}`],
    [{ csi: { driver: 'd'.repeat(64) } }, 'csi.driver: Too long: may not be more than 63 bytes'],
    [{ csi: { driver: 'D.io', nodePublishSecretRef: { name: '' } } }, 'csi.nodePublishSecretRef.name: Required value'],
    [
      { csi: { driver: 'd', nodePublishSecretRef: { name: 'S' } } },
      `csi.nodePublishSecretRef.name: Invalid value: "S": ${SUBDOMAIN}`,
    ],
    [{ image: { reference: '' } }, 'image.reference: Required value'],
    [
      { image: { reference: 'i', pullPolicy: 'Maybe' } },
      'image.pullPolicy: Unsupported value: "Maybe": supported values: "Always", "IfNotPresent", "Never"',
    ],
  ]);
});

test('storage systems', () => {
  const uri = 'https://x';
  each('', [
    [
      { azureDisk: { diskName: 'd', diskURI: uri, cachingMode: 'Some' } },
      'azureDisk.cachingMode: Unsupported value: "Some": supported values: "None", "ReadOnly", "ReadWrite"',
    ],
    [
      { azureDisk: { diskName: 'd', diskURI: uri, kind: 'Odd' } },
      'azureDisk.kind: Unsupported value: "Odd": supported values: "Dedicated", "Managed", "Shared"',
    ],
    [
      { storageos: { volumeName: 'v', volumeNamespace: 'N' } },
      `storageos.volumeNamespace: Invalid value: "N": ${LABEL}`,
    ],
    [{ iscsi: { targetPortal: 't', lun: 0, iqn: '' } }, 'iscsi.iqn: Required value'],
    [
      { flocker: { datasetName: 'a', datasetUUID: 'b' } },
      'flocker: Invalid value: "resource": datasetName and datasetUUID can not be specified simultaneously',
    ],
    [{ flocker: { datasetName: 'a/b' } }, `flocker.datasetName: Invalid value: "a/b": must not contain '/'`],
    [
      { fc: { targetWWNs: ['a'], wwids: ['b'], lun: 1 } },
      'fc.targetWWNs: Invalid value: ["a"]: targetWWNs and wwids can not be specified simultaneously',
    ],
    [{ fc: { targetWWNs: ['a'] } }, 'fc.lun: Required value: lun is required if targetWWNs is specified'],
    [{ fc: { targetWWNs: ['a'], lun: 256 } }, 'fc.lun: Invalid value: 256: must be between 0 and 255, inclusive'],
  ]);
});

test('files of keys and of the pod itself', () => {
  const key = (item: object) => ({ configMap: { name: 'm', items: [{ key: 'k', path: 'p', ...item }] } });
  each('configMap.items[0]', [
    [key({ key: '' }), '.key: Required value'],
    [key({ path: '' }), '.path: Required value'],
    [key({ path: '/a' }), `.path: Invalid value: "/a": ${RELATIVE}`],
    [key({ path: '..a' }), `.path: Invalid value: "..a": must not start with '..'`],
    [key({ path: '../a' }), `.path: Invalid value: "../a": must not contain '..'`],
    [
      key({ path: '..' }),
      `.path: Invalid value: "..": must not contain '..'`,
      `.path: Invalid value: "..": must not start with '..'`,
    ],
    [key({ mode: 512 }), `.mode: Invalid value: 512: ${MODE}`],
  ]);
  const own = (item: object) => ({ downwardAPI: { items: [{ path: 'p', ...item }] } });
  const fieldRef = { fieldPath: 'metadata.name' };
  const resource = (more: object) => own({ resourceFieldRef: { containerName: 'c', resource: 'limits.cpu', ...more } });
  each('downwardAPI.items[0]', [
    [own({ fieldRef, path: '' }), '.path: Required value'],
    [
      own({ fieldRef, resourceFieldRef: { resource: 'limits.cpu' } }),
      ': Invalid value: "resource": fieldRef and resourceFieldRef can not be specified simultaneously',
    ],
    [own({}), ': Required value: one of fieldRef and resourceFieldRef is required'],
    [own({ fieldRef, mode: -1 }), `.mode: Invalid value: -1: ${MODE}`],
    [resource({ containerName: '' }), '.resourceFieldRef.containerName: Required value'],
    [
      own({ fieldRef: { fieldPath: 'spec.nodeName' } }),
      '.fieldRef.fieldPath: Unsupported value: "spec.nodeName": supported values: "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"',
    ],
  ]);
});

test('sources of a projected volume', () => {
  const project = (...sources: object[]) => ({ projected: { sources } });
  const account = { serviceAccountName: 'sa' };
  const token = (more: object) => project({ serviceAccountToken: { path: 't', ...more } });
  const file = (path: string) => ({ items: [{ key: 'k', path }] });
  const at = 'sources[0].serviceAccountToken';
  each(
    'projected',
    [
      [
        project({ secret: { name: 's' }, configMap: { name: 'm' } }),
        '.sources[0].configMap: Forbidden: may not specify more than 1 volume type per source',
      ],
      [project({ secret: { name: '' } }), '.sources[0].secret.name: Required value'],
      [
        project({ secret: { name: 's', ...file('p') } }, { configMap: { name: 'm', ...file('p') } }),
        ': Invalid value: "m": conflicting duplicate paths',
      ],
      [
        project(
          { downwardAPI: { items: [{ path: 'p', fieldRef: { fieldPath: 'metadata.name' } }] } },
          { secret: { name: 's', ...file('p') } },
        ),
        ': Invalid value: "s": conflicting duplicate paths',
      ],
      [
        project({ downwardAPI: { items: [{ path: 'p' }] } }),
        '.sources[0].downwardAPI.items[0]: Required value: one of fieldRef and resourceFieldRef is required',
      ],
      [
        token({ expirationSeconds: 599 }),
        `.${at}.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes`,
      ],
      [
        token({ expirationSeconds: 2 ** 32 + 1 }),
        `.${at}.expirationSeconds: Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds`,
      ],
      [token({ path: '' }), `.${at}.path: Required value`],
      [token({ path: '/t' }), `.${at}.path: Invalid value: "/t": ${RELATIVE}`],
    ],
    account,
  );
  const gates = { ClusterTrustBundleProjection: true, PodCertificateRequest: true };
  const gated = (source: object) =>
    create(podStrategy, podOf({ volumes: [{ name: 'v', ...project(source) }] }), ruleContext('', gates)).errors.map(e =>
      e.replace('spec.volumes[0].projected.sources[0].', ''),
    );
  const bundle = (more: object) => gated({ clusterTrustBundle: { path: 'p', ...more } });
  const both = { name: 'b', signerName: 'a.b/c' };
  assert.deepEqual(bundle({ name: 'b' }), []);
  assert.match(
    bundle(both).join(),
    /^clusterTrustBundle: Invalid value: .*: only one of name and signerName may be used$/,
  );
  assert.deepEqual(bundle({}), ['clusterTrustBundle: Required value: either name or signerName must be specified']);
  const name = 'clusterTrustBundle.name';
  assert.deepEqual(bundle({ name: '' }), [
    `${name}: Required value: must be a valid object name`,
    `${name}: Invalid value: "": ${SUBDOMAIN}`,
  ]);
  assert.deepEqual(bundle({ name: 'B' }), [`${name}: Invalid value: "B": ${SUBDOMAIN}`]);
  assert.deepEqual(bundle({ name: 'a.b:c:d' }), []);
  assert.deepEqual(bundle({ name: 'a.b:c:D' }), [`${name}: Invalid value: "a.b:c:D": ${SUBDOMAIN}`]);
  assert.deepEqual(bundle({ name: 'b', path: '' }), ['clusterTrustBundle.path: Required value']);
  assert.deepEqual(bundle({ signerName: 'a.b/c', labelSelector: { matchLabels: { a: 'b' } } }), []);
  assert.deepEqual(
    bundle({ signerName: 'a.b/c', labelSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] } }),
    [
      "clusterTrustBundle.labelSelector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
    ],
  );
  assert.match(
    bundle({ name: 'b', labelSelector: { matchLabels: { a: 'b' } } }).join(),
    /^clusterTrustBundle\.labelSelector: Invalid value: .*: labelSelector must be unset if name is specified$/,
  );
  const certificate = (more: object) =>
    gated({ podCertificate: { signerName: 'a.b/c', keyType: 'ED25519', keyPath: 'k', ...more } });
  const kube = { signerName: 'kubernetes.io/kube-apiserver-client-pod' };
  const seconds = 'podCertificate.maxExpirationSeconds';
  assert.deepEqual(certificate({}), []);
  assert.deepEqual(certificate({ keyType: '' }), ['podCertificate.keyType: Required value']);
  assert.deepEqual(certificate({ keyType: 'RSA' }), [
    'podCertificate.keyType: Unsupported value: "RSA": supported values: "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519", "RSA3072", "RSA4096"',
  ]);
  assert.deepEqual(certificate({ maxExpirationSeconds: 3599 }), [
    `${seconds}: Invalid value: 3599: if provided, maxExpirationSeconds must be >= 3600`,
  ]);
  assert.deepEqual(certificate({ maxExpirationSeconds: 91 * 86400 + 1 }), [
    `${seconds}: Invalid value: 7862401: if provided, maxExpirationSeconds must be <= 7862400`,
  ]);
  assert.deepEqual(certificate({ ...kube, maxExpirationSeconds: 86401 }), [
    `${seconds}: Invalid value: 86401: if provided, maxExpirationSeconds must be <= 86400`,
  ]);
  assert.deepEqual(certificate({ keyPath: undefined }), [
    'podCertificate: Required value: specify at least one of credentialBundlePath, keyPath, and certificateChainPath',
  ]);
});

test('a claim made for the pod', () => {
  const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
  const made = (metadata: object) => ({ ephemeral: { volumeClaimTemplate: { metadata, spec } } });
  const set = {
    name: 'n',
    generateName: 'n',
    namespace: 'n',
    selfLink: 's',
    uid: 'u',
    resourceVersion: '1',
    generation: 1,
    creationTimestamp: '2026-01-01T00:00:00Z',
    deletionTimestamp: '2026-01-01T00:00:00Z',
    deletionGracePeriodSeconds: 1,
    ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u' }],
    finalizers: ['a/b'],
    managedFields: [{ manager: 'm' }],
  };
  each('ephemeral.volumeClaimTemplate', [
    [{ ephemeral: {} }, ': Required value'],
    [made({ labels: { a: 'b' }, annotations: { a: 'b' }, ownerReferences: [] })],
    [
      made({ annotations: { 'a/': '' } }),
      '.metadata.annotations: Invalid value: "a/": name part must be non-empty',
      `.metadata.annotations: Invalid value: "a/": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
    ],
    ...Object.entries(set).map(
      ([field, value]): Case => [
        made({ [field]: value }),
        `.metadata.${field === 'uid' ? 'uID' : field}: Forbidden: cannot be set for an ephemeral volume`,
      ],
    ),
  ]);
  const claim: Loose<Volume> = { name: 'w', persistentVolumeClaim: { claimName: 'p-v' } };
  assert.deepEqual(causes({ volumes: [{ name: 'v', ...made({}) }, claim] }), [
    'spec.volumes[1].persistentVolumeClaim.claimName: Invalid value: "p-v": must not reference a PVC that gets created for an ephemeral volume',
  ]);
  const name = 'a'.repeat(252);
  assert.deepEqual(causes({ volumes: [{ name: 'v', ...made({}) }] }, {}, { name }), [
    `spec.volumes[0].name: Invalid value: "v": PVC name "${name}-v": must be no more than 253 characters`,
  ]);
  assert.deepEqual(causes({ volumes: [{ name: '', ...made({}) }] }), ['spec.volumes[0].name: Required value']);
});
