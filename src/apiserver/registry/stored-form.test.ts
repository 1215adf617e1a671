import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { cloneDeep, type KubeObject, type Mutable } from '../../api/meta.ts';
import { normalize } from '../../api/normalize.ts';
import { decodeProtobuf, encodeProtobuf, isProtobuf } from '../../api/protobuf.ts';
import { decodeStored, encodeWithoutRevision } from './stored-form.ts';

const metadata = { name: 'a', namespace: 'n', uid: 'u', resourceVersion: '7', generation: 1, labels: { x: 'y' } };

test('a built-in object is protobuf without a revision, and comes back in its order with the key\u2019s', () => {
  const pod = normalize('io.k8s.api.core.v1.Pod', {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata,
    spec: { containers: [{ name: 'c', image: 'i' }] },
    status: {},
  });
  const text = JSON.stringify(pod);
  const bytes = encodeWithoutRevision(pod);
  assert.ok(isProtobuf(bytes));
  assert.equal(JSON.stringify(decodeStored(bytes, 7)), text);
  assert.equal(decodeStored(bytes, 9).metadata.resourceVersion, '9');
});

test('claims of a StatefulSet come back with their kind, for which protobuf has no place', () => {
  const claim = { kind: 'PersistentVolumeClaim', apiVersion: 'v1', metadata: { name: 'data' }, spec: {}, status: {} };
  const metadata = { name: 'db', namespace: 'a' };
  const set = { kind: 'StatefulSet', apiVersion: 'apps/v1', metadata, spec: { volumeClaimTemplates: [claim] } };
  const { spec } = decodeStored(encodeWithoutRevision(structuredClone(set) as never), 7) as unknown as typeof set;
  assert.equal(JSON.stringify(spec.volumeClaimTemplates[0]), JSON.stringify({ ...claim, spec: { resources: {} } }));
});

test('custom resources and definitions of them are JSON without a revision', () => {
  const custom = { apiVersion: 'example.com/v1', kind: 'Thing', metadata: { ...metadata }, spec: { b: 1, a: [2] } };
  const bytes = encodeWithoutRevision(custom as unknown as Mutable<KubeObject>);
  assert.ok(!Buffer.from(bytes).includes('resourceVersion'));
  const read = decodeStored(bytes, 7);
  assert.deepEqual(Object.keys(read.metadata), ['generation', 'labels', 'name', 'namespace', 'resourceVersion', 'uid']);
  assert.deepEqual(read, custom.metadata.resourceVersion ? custom : { ...custom, metadata });
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'd' },
  };
  const spec = { group: 'g', scope: 'Namespaced', names: { plural: 'ds', kind: 'D' }, versions: [] };
  const stored = encodeWithoutRevision({ ...definition, spec } as unknown as Mutable<KubeObject>);
  assert.equal(JSON.parse(Buffer.from(stored).toString()).kind, 'CustomResourceDefinition');
});

test('what an embedded store holds is taken as it is', () => {
  const object = { kind: 'ConfigMap', apiVersion: 'v1', metadata, data: { b: '1', a: '2' } };
  const bytes = Buffer.from(JSON.stringify(object));
  assert.equal(JSON.stringify(decodeStored(bytes, 99)), bytes.toString());
});

test('whole numbers of 64 bits lie in a store with all their digits', () => {
  const job = normalize('io.k8s.api.batch.v1.Job', {
    kind: 'Job',
    apiVersion: 'batch/v1',
    metadata,
    spec: { activeDeadlineSeconds: 9007199254740993n, template: { spec: { containers: [] } } },
  });
  const text = JSON.stringify(job);
  assert.match(text, /"activeDeadlineSeconds":9007199254740993,/);
  assert.equal(JSON.stringify(decodeStored(encodeWithoutRevision(job), 7)), text);
  const spec = { a: [-9223372036854775807n], b: 9007199254740993n, c: 2 ** 63 };
  const custom = { apiVersion: 'example.com/v1', kind: 'Thing', metadata: { ...metadata }, spec };
  const bytes = encodeWithoutRevision(custom as unknown as Mutable<KubeObject>);
  assert.match(Buffer.from(bytes).toString(), /"b":9007199254740993,/);
  assert.deepEqual((decodeStored(bytes, 7) as unknown as typeof custom).spec, spec);
});

test('a kind lies there in the version kube-apiserver writes, and comes back in the one it is served in', () => {
  const policy = normalize('io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicyBinding', {
    kind: 'MutatingAdmissionPolicyBinding',
    apiVersion: 'admissionregistration.k8s.io/v1',
    metadata: { name: 'a', resourceVersion: '7' },
    spec: { policyName: 'p' },
  });
  const text = JSON.stringify(policy);
  const bytes = encodeWithoutRevision(policy);
  assert.equal(decodeProtobuf(bytes).typeMeta.apiVersion, 'admissionregistration.k8s.io/v1beta1');
  assert.equal(JSON.stringify(decodeStored(bytes, 7)), text);
  const early = normalize('io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler', {
    kind: 'HorizontalPodAutoscaler',
    apiVersion: 'autoscaling/v1',
    metadata: { name: 'a', namespace: 'n' },
    spec: { scaleTargetRef: { kind: 'D', name: 'd' }, maxReplicas: 3, targetCPUUtilizationPercentage: 60 },
  });
  const read = decodeStored(
    encodeProtobuf('io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler', early as KubeObject),
    8,
  );
  assert.equal(read.apiVersion, 'autoscaling/v2');
  assert.equal((read as any).spec.metrics[0].resource.target.averageUtilization, 60);
});

test('definitions as kube-apiserver has them, in v1beta1, come in v1', () => {
  const early = {
    apiVersion: 'apiextensions.k8s.io/v1beta1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'ds.g' },
    spec: {
      group: 'g',
      version: 'v1',
      names: { plural: 'ds', kind: 'D' },
      scope: 'Namespaced',
      validation: { openAPIV3Schema: { type: 'object' } },
      subresources: { status: {} },
      versions: [
        { name: 'v1', served: true, storage: true },
        { name: 'v2', served: true, storage: false, schema: { openAPIV3Schema: { type: 'object', nullable: true } } },
      ],
      additionalPrinterColumns: [{ name: 'Size', type: 'integer', JSONPath: '.size' }],
      selectableFields: [{ jsonPath: '.size' }],
      conversion: { strategy: 'Webhook', webhookClientConfig: { url: 'https://w' }, conversionReviewVersions: ['v1'] },
      preserveUnknownFields: false,
    },
    status: { storedVersions: ['v1'] },
  };
  const { spec } = decodeStored(Buffer.from(JSON.stringify(early)), 7) as any;
  const column = { name: 'Size', type: 'integer', jsonPath: '.size' };
  assert.deepEqual(spec.versions, [
    {
      name: 'v1',
      served: true,
      storage: true,
      schema: { openAPIV3Schema: { type: 'object' } },
      subresources: { status: {} },
      additionalPrinterColumns: [column],
      selectableFields: [{ jsonPath: '.size' }],
    },
    {
      name: 'v2',
      served: true,
      storage: false,
      schema: { openAPIV3Schema: { type: 'object', nullable: true } },
      subresources: { status: {} },
      additionalPrinterColumns: [column],
      selectableFields: [{ jsonPath: '.size' }],
    },
  ]);
  assert.deepEqual(spec.conversion, {
    strategy: 'Webhook',
    webhook: { clientConfig: { url: 'https://w' }, conversionReviewVersions: ['v1'] },
  });
  assert.equal(Object.keys(spec).join(), 'group,names,scope,versions,conversion');
  const oldest = {
    ...early,
    spec: { group: 'g', version: 'v1', names: { plural: 'ds', kind: 'D' }, scope: 'Cluster' },
  };
  const old = decodeStored(Buffer.from(JSON.stringify(oldest)), 7) as any;
  assert.deepEqual(old.spec.versions, [{ name: 'v1', served: true, storage: true }]);
  assert.equal(old.spec.preserveUnknownFields, true);
  assert.equal(old.metadata.resourceVersion, '7');
});

test('versions that are served no more come in the later one of the same form', () => {
  const quick = { kind: 'PodDisruptionBudget', apiVersion: 'policy/v1', metadata: { name: 'a', namespace: 'n' } };
  const budget = normalize('io.k8s.api.policy.v1.PodDisruptionBudget', { ...quick, spec: { minAvailable: 1 } });
  const early = encodeProtobuf('io.k8s.api.policy.v1.PodDisruptionBudget', {
    ...budget,
    apiVersion: 'policy/v1beta1',
  } as KubeObject);
  const read = decodeStored(early, 7) as any;
  assert.deepEqual([read.apiVersion, read.spec.minAvailable], ['policy/v1', 1]);
  const service = { apiVersion: 'apiregistration.k8s.io/v1beta1', kind: 'APIService', metadata: { name: 'v1.g' } };
  assert.equal(decodeStored(Buffer.from(JSON.stringify(service)), 7).apiVersion, 'apiregistration.k8s.io/v1');
  const unknown = encodeProtobuf('io.k8s.api.policy.v1.PodDisruptionBudget', {
    ...budget,
    kind: 'PodSecurityPolicy',
    apiVersion: 'policy/v1beta1',
  } as KubeObject);
  assert.throws(() => decodeStored(unknown, 7));
});

// Recorded by test/interop/record-definitions.ts.
const recorded = readFileSync(new URL('testdata/stored-definitions.txt', import.meta.url), 'utf8').split(/(?<=\n)/);

test('definitions lie there byte for byte as apiextensions-apiserver puts them, APIServices in the version kube-apiserver writes', () => {
  assert.equal(recorded.length, 12);
  for (const text of recorded) {
    const { kind, metadata: told, spec } = JSON.parse(text);
    const object = decodeStored(Buffer.from(text), 7);
    assert.match(object.apiVersion!, /\/v1$/);
    const again = Buffer.from(encodeWithoutRevision(cloneDeep(object))).toString();
    // kube-aggregator by itself writes v1beta1; kube-apiserver says v1 in its discovery's hash of the stored version.
    const expected =
      kind === 'APIService' ? text.replace('apiregistration.k8s.io/v1beta1', 'apiregistration.k8s.io/v1') : text;
    assert.equal(again, expected, told.name);
    const fromV1 = decodeStored(
      Buffer.from(JSON.stringify({ ...object, metadata: { ...object.metadata, resourceVersion: undefined } })),
      7,
    );
    assert.deepEqual(fromV1, object, `${told.name} of ${spec.group}`);
  }
});
