import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { defaultConfig } from './config.ts';
import {
  baseDirectories,
  type ClusterState,
  clusterNames,
  clusterPaths,
  kubeconfigsOf,
  readState,
  withKubeconfig,
  writeState,
} from './state.ts';

let env: NodeJS.ProcessEnv = {};
beforeEach(() => {
  env = { K8TS_STATE_DIR: mkdtempSync(join(tmpdir(), 'k8ts-state-')) };
});
afterEach(() => rmSync(env.K8TS_STATE_DIR!, { recursive: true }));

const state: ClusterState = {
  version: 1,
  k8ts: '0.1.0',
  created: '2026-01-01T00:00:00Z',
  config: defaultConfig,
  apiPort: 6443,
  absentBefore: [],
};

test('what is written is read again; nothing there is no cluster', () => {
  const paths = clusterPaths('dev', env);
  assert.equal(readState(paths), undefined);
  writeState(paths, state);
  assert.deepEqual(readState(paths), state);
  assert.deepEqual(clusterNames(env), ['dev']);
});

test('a damaged record is told from none, and names its file', () => {
  const paths = clusterPaths('dev', env);
  mkdirSync(paths.pki, { recursive: true });
  assert.throws(() => readState(paths), { name: 'StateError', message: /holds data but no state\.json/ });
  const broken: [string, RegExp][] = [
    ['', /state\.json: it is damaged/],
    ['{"version":1,', /state\.json: it is damaged/],
    ['null', /it is damaged \(fields are missing\)/],
    ['{"version":1}', /it is damaged \(fields are missing\)/],
    ['{"version":2,"k8ts":"9.0.0"}', /a later version of k8ts \(9\.0\.0\) made it: use that one/],
    [JSON.stringify({ ...state, absentBefore: undefined }), /it is damaged \(fields are missing\)/],
    [JSON.stringify({ ...state, config: { name: 'dev' } }), /it is damaged \(fields are missing\)/],
    [
      JSON.stringify({ ...state, config: { ...defaultConfig, name: 'other' } }),
      /state\.json: it is the record of another cluster, other$/,
    ],
  ];
  for (const [text, expected] of broken) {
    writeFileSync(paths.stateFile, text);
    assert.throws(() => readState(paths), { name: 'StateError', message: expected }, text);
  }
});

test('a record that cannot be read is named', () => {
  const paths = clusterPaths('dev', env);
  mkdirSync(paths.stateFile, { recursive: true });
  assert.throws(() => readState(paths), { name: 'StateError', message: /reading .*state\.json: it is a directory/ });
});

test('every kubeconfig that it was put into stays known, with what we made of it', () => {
  const [a, b] = ['/a', '/b'].map(path => ({ path, madeFile: true, madeDirectory: false })) as [any, any];
  const once = withKubeconfig(state, a);
  assert.deepEqual(kubeconfigsOf(once), [a]);
  assert.deepEqual(withKubeconfig(once, { ...a, madeFile: false }), once);
  const twice = withKubeconfig(once, b);
  assert.deepEqual(kubeconfigsOf(twice), [b, a]);
  assert.deepEqual(kubeconfigsOf(withKubeconfig(twice, { ...a, madeFile: false })), [a, b]);
  assert.deepEqual(kubeconfigsOf(undefined), []);
});

test('directories named from here are the same from everywhere', () => {
  const at = (path: string) => join(process.cwd(), path);
  assert.deepEqual(baseDirectories({ K8TS_STATE_DIR: 'st' }), { state: at('st'), run: at('st/.run') });
  assert.deepEqual(baseDirectories({ K8TS_STATE_DIR: 'st', K8TS_RUN_DIR: 'r' }), { state: at('st'), run: at('r') });
});
