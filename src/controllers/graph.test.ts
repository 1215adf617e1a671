import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { controllerGraph } from '../engine/graph.ts';
import { controllerAliases, longControllerNames } from './controller-alias.ts';
import { allControllers } from './index.ts';

const everything = allControllers({
  clusterCa: 'ca',
  podCidr: '10.244.0.0/16',
  clusterSigning: { certificatePem: '', keyPem: '' },
  serviceAccountKey: 'key',
  balancesOnNodes: true,
});

// RECORD=1 writes it anew.
test('who watches and writes what is as the golden file has it', () => {
  const golden = new URL('testdata/controllers.txt', import.meta.url);
  const graph = controllerGraph(everything);
  if (process.env.RECORD) writeFileSync(golden, graph);
  assert.equal(graph, readFileSync(golden, 'utf8'));
});

test('names are those of Kubernetes, each once', () => {
  const names = everything.map(c => c.name);
  assert.equal(new Set(names).size, names.length);
  const known = new Set([...Object.values(controllerAliases), ...withoutShortName]);
  assert.deepEqual(
    names.filter(n => !known.has(n)),
    [],
  );
});

// Of controllers that came after short names went.
const withoutShortName = [
  'taint-eviction-controller',
  'device-taint-eviction-controller',
  'volumeattributesclass-protection-controller',
  'service-cidr-controller',
  'kube-apiserver-serving-clustertrustbundle-publisher-controller',
  'podcertificaterequest-cleaner-controller',
  'resource-pool-status-request-controller',
  'selinux-warning-controller',
  'storage-version-migrator-controller',
];

test('short names are understood', () => {
  assert.deepEqual(longControllerNames(['*', '-podgc', 'job', 'job-controller']), [
    '*',
    '-pod-garbage-collector-controller',
    'job-controller',
    'job-controller',
  ]);
});
