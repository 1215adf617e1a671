import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { apiReference } from '../../../api/pod-reference.ts';
import { NodeGraph, type VertexType } from './node-graph.ts';
import { podReferences, sameReferences, volumeSecrets } from './pod-references.ts';

const ref = (name: string) => ({ name });

test('everything a pod refers to', () => {
  const pod: any = {
    metadata: { namespace: 'ns', name: 'p' },
    spec: {
      serviceAccountName: 'sa',
      imagePullSecrets: [ref('pull')],
      initContainers: [{ envFrom: [{ secretRef: ref('init') }, { configMapRef: ref('init-c') }] }],
      containers: [
        { env: [{ valueFrom: { secretKeyRef: ref('env') } }, { valueFrom: { configMapKeyRef: ref('env-c') } }, {}] },
      ],
      ephemeralContainers: [{ envFrom: [{ secretRef: ref('debug') }] }],
      volumes: [
        { secret: { secretName: 'vol' } },
        { configMap: ref('vol-c') },
        { projected: { sources: [{ secret: ref('proj') }, { configMap: ref('proj-c') }, { downwardAPI: {} }] } },
        { persistentVolumeClaim: { claimName: 'claim' } },
        { name: 'scratch', ephemeral: {} },
        { azureFile: { secretName: 'azure' } },
        { csi: { nodePublishSecretRef: ref('csi') } },
        ...['cephfs', 'cinder', 'flexVolume', 'rbd', 'scaleIO', 'iscsi', 'storageos'].map(k => ({
          [k]: { secretRef: ref(k) },
        })),
        { emptyDir: {} },
      ],
      resourceClaims: [
        { name: 'a', resourceClaimName: 'direct' },
        { name: 'b', resourceClaimTemplateName: 't' },
        { name: 'c', resourceClaimTemplateName: 't' },
      ],
    },
    status: {
      resourceClaimStatuses: [{ name: 'b', resourceClaimName: 'made' }],
      extendedResourceClaimStatus: { resourceClaimName: 'extended' },
    },
  };
  const found = Object.groupBy(podReferences(pod), r => r.type);
  const names = (type: keyof typeof found) => found[type]!.map(r => r.name).sort();
  assert.deepEqual(names('secret'), [
    ...['azure', 'cephfs', 'cinder', 'csi', 'debug', 'env', 'flexVolume', 'init', 'iscsi', 'proj', 'pull', 'rbd'],
    ...['scaleIO', 'storageos', 'vol'],
  ]);
  assert.deepEqual(names('configmap'), ['env-c', 'init-c', 'proj-c', 'vol-c']);
  assert.deepEqual(names('pvc'), ['claim', 'p-scratch']);
  assert.deepEqual(names('resourceclaim'), ['direct', 'extended', 'made']);
  assert.deepEqual(names('serviceaccount'), ['sa']);
  assert.deepEqual(
    podReferences({ ...pod, metadata: { ...pod.metadata, annotations: { 'kubernetes.io/config.mirror': '' } } }),
    [],
  );
  assert.ok(sameReferences({ ...pod, status: { ...pod.status, phase: 'Running' } }, pod));
  assert.ok(!sameReferences({ ...pod, status: {} }, pod));
  assert.ok(!sameReferences({ ...pod, spec: { ...pod.spec, nodeName: 'n' } }, pod));
});

test('secrets of a volume, without those that only controllers need', () => {
  const secret = (name: string, namespace?: string) => ({ name, ...(namespace ? { namespace } : {}) });
  const of = (spec: object) =>
    volumeSecrets({ spec: { claimRef: { namespace: 'claims', name: 'c' }, ...spec } } as any).map(
      s => `${s.namespace}/${s.name}`,
    );
  assert.deepEqual(
    of({
      csi: {
        controllerPublishSecretRef: secret('publish', 'x'),
        controllerExpandSecretRef: secret('expand', 'x'),
        nodePublishSecretRef: secret('np', 'x'),
        nodeStageSecretRef: secret('ns', 'x'),
        nodeExpandSecretRef: secret('ne', 'x'),
      },
    }),
    ['x/np', 'x/ns', 'x/ne'],
  );
  assert.deepEqual(of({ azureFile: { secretName: 'a' } }), ['claims/a']);
  assert.deepEqual(of({ azureFile: { secretName: 'a', secretNamespace: 'z' } }), ['z/a']);
  assert.deepEqual(of({ rbd: { secretRef: secret('r') }, cinder: { secretRef: secret('k') } }), ['claims/r']);
});

const pick = (...v: string[]) => fc.constantFrom(...v);
const some = (...v: string[]) => fc.uniqueArray(pick(...v), { maxLength: 2 });
const space = pick('a', 'b');
const podStep = fc.record({
  kind: fc.constant('pod'),
  namespace: space,
  name: pick('p', 'q', 'r'),
  node: pick('', 'n1', 'n2'),
  secrets: some('s1', 's2'),
  configs: some('m1'),
  claims: some('c1', 'c2'),
  account: pick('', 'sa'),
  mirror: fc.boolean(),
});
const volumeStep = fc.record({
  kind: fc.constant('volume'),
  name: pick('v1', 'v2', 'v3'),
  claim: fc.option(fc.tuple(space, pick('c1', 'c2'))),
  secrets: some('s1', 's2', 's3'),
});
const boundStep = fc.record({ kind: pick('attachment', 'slice'), name: pick('x', 'y'), node: pick('n1', 'n2') });
const step = fc.record({ remove: fc.boolean(), on: fc.oneof(podStep, volumeStep, boundStep) });

test('random changes: the same answers as looking at everything', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), steps => {
      const graph = new NodeGraph();
      const model = new Map<string, any>();
      for (const { remove, on } of steps) {
        perform(graph, on as any, remove);
        const id = `${on.kind}/${'namespace' in on ? on.namespace : ''}/${on.name}`;
        if (remove) model.delete(id);
        else model.set(id, on);
        compareAll(graph, [...model.values()]);
      }
    }),
    { numRuns: 150 },
  );
});

function perform(graph: NodeGraph, on: any, remove: boolean): void {
  const metadata = { namespace: on.namespace, name: on.name };
  if (on.kind === 'pod') {
    const volumes = [
      ...on.secrets.map((s: string) => ({ secret: { secretName: s } })),
      ...on.configs.map((s: string) => ({ configMap: ref(s) })),
      ...on.claims.map((s: string) => ({ persistentVolumeClaim: { claimName: s } })),
    ];
    const annotations = on.mirror ? { 'kubernetes.io/config.mirror': 'x' } : undefined;
    const spec = { nodeName: on.node, volumes, serviceAccountName: on.account };
    if (remove) graph.removePod(on.namespace, on.name);
    else graph.setPod({ metadata: { ...metadata, annotations }, spec } as any);
  } else if (on.kind === 'volume') {
    const claimRef = on.claim ? { namespace: on.claim[0], name: on.claim[1] } : undefined;
    const [a, b] = on.secrets.map((s: string) => ({ namespace: 'a', name: s }));
    const csi = { nodeStageSecretRef: a, nodePublishSecretRef: b };
    if (remove) graph.removeVolume(on.name);
    else graph.setVolume({ metadata, spec: { claimRef, csi } } as any);
  } else if (on.kind === 'attachment') {
    if (remove) graph.removeAttachment(on.name);
    else graph.setAttachment({ metadata, spec: { nodeName: on.node } } as any);
  } else if (remove) graph.removeSlice(on.name);
  else graph.setSlice({ metadata, spec: { nodeName: on.node } } as any);
}

function compareAll(graph: NodeGraph, objects: any[]): void {
  const questions: [VertexType, string[], string[]][] = [
    ['pod', ['a', 'b'], ['p', 'q', 'r']],
    ['secret', ['a', 'b'], ['s1', 's2', 's3']],
    ['configmap', ['a', 'b'], ['m1']],
    ['pvc', ['a', 'b'], ['c1', 'c2']],
    ['serviceaccount', ['a', 'b'], ['sa']],
    ['pv', [''], ['v1', 'v2', 'v3']],
    ['volumeattachment', [''], ['x', 'y']],
    ['resourceslice', [''], ['x', 'y']],
  ];
  for (const node of ['n1', 'n2', ''])
    for (const [type, namespaces, names] of questions)
      for (const namespace of namespaces)
        for (const name of names)
          assert.equal(
            graph.isRelated(node, type, namespace, name),
            node !== '' && naive(objects, node, type, namespace, name),
            `${node} ${type} ${namespace}/${name}`,
          );
}

function naive(objects: any[], node: string, type: VertexType, namespace: string, name: string): boolean {
  const pods = objects.filter(o => o.kind === 'pod' && o.node === node);
  const user = (field: string) =>
    pods.some(p => !p.mirror && p.namespace === namespace && [p[field]].flat().includes(name));
  const volumeUsed = (v: any) => v.claim !== null && naive(objects, node, 'pvc', v.claim[0], v.claim[1]);
  const volumes = objects.filter(o => o.kind === 'volume');
  switch (type) {
    case 'pod':
      return pods.some(p => p.namespace === namespace && p.name === name);
    case 'configmap':
      return user('configs');
    case 'pvc':
      return user('claims');
    case 'serviceaccount':
      return user('account');
    case 'secret':
      return user('secrets') || (namespace === 'a' && volumes.some(v => v.secrets.includes(name) && volumeUsed(v)));
    case 'pv':
      return volumes.some(v => v.name === name && volumeUsed(v));
    default: {
      const kind = type === 'volumeattachment' ? 'attachment' : 'slice';
      return objects.some(o => o.kind === kind && o.name === name && o.node === node);
    }
  }
}

test('what a mirror pod must not refer to is named', () => {
  const of = (spec: object) => apiReference({ metadata: {}, spec } as any);
  const projected = (source: object) => of({ volumes: [{ name: 'v', projected: { sources: [source] } }] });
  assert.equal(of({ volumes: [{ name: 'v', emptyDir: {} }], containers: [{}] }), undefined);
  assert.equal(of({ serviceAccountName: 'sa' }), 'a service account');
  assert.equal(of({ containers: [{ envFrom: [{ secretRef: ref('s') }] }] }), 'secrets');
  assert.equal(projected({ configMap: ref('c') }), 'configmaps');
  assert.equal(of({ volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'c' } }] }), 'persistentvolumeclaims');
  assert.equal(projected({ serviceAccountToken: {} }), 'serviceaccounts');
  assert.equal(projected({ clusterTrustBundle: {} }), 'clustertrustbundles');
  assert.equal(projected({ podCertificate: {} }), 'podcertificates');
  assert.equal(of({ resourceClaims: [{ name: 'r', resourceClaimTemplateName: 't' }] }), 'resourceclaims');
});
