import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { controllerGraph } from '../engine/graph.ts';
import { knownControllers, longControllerNames } from './controller-alias.ts';
import { allControllers } from './index.ts';

const everything = allControllers({
  clusterCa: 'ca',
  podCidr: '10.244.0.0/16',
  clusterSigning: { certificatePem: '', keyPem: '' },
  serviceAccountKey: 'key',
  balancesOnNodes: true,
  featureEnabled: () => true,
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
  assert.deepEqual(
    names.filter(n => !knownControllers.has(n)),
    [],
  );
});

test('short names are understood', () => {
  assert.deepEqual(longControllerNames(['*', '-podgc', 'job', 'job-controller']), [
    '*',
    '-pod-garbage-collector-controller',
    'job-controller',
    'job-controller',
  ]);
});
