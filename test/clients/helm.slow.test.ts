// helm against a control plane in this process: what charts do, with one of our own.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { CoreV1Api, CustomObjectsApi, KubeConfig } from '@kubernetes/client-node';
import { messageOf } from '../../src/base/assert.ts';
import { carriedHelm } from '../kubectl.ts';
import { type ControlPlane, type Outcome, run, startControlPlane } from './control-plane.ts';

const helm = await carriedHelm().catch((error: unknown) => new Error(messageOf(error)));
const skip = helm instanceof Error ? helm.message : false;
const chart = join(import.meta.dirname, 'chart');
const home = mkdtempSync(join(tmpdir(), 'k8ts-helm-'));
const config = new KubeConfig();
let controlPlane: ControlPlane | undefined;

before(async () => {
  if (skip) return;
  const behaviour = (name: string, spec: object) =>
    ({ apiVersion: 'k8ts.dev/v1alpha1', kind: 'PodBehaviour', metadata: { name }, spec }) as const;
  controlPlane = await startControlPlane({
    behaviours: [
      behaviour('ends', { selector: { images: ['ends:*'] }, runs: [{ duration: '100ms' }] }),
      behaviour('nowhere', { selector: { images: ['nowhere:*'] }, pull: { error: 'there is no such image' } }),
    ],
  });
  config.loadFromString(controlPlane.kubeconfigText);
});
after(async () => {
  await controlPlane?.stop();
  rmSync(home, { recursive: true });
});

async function attempt(line: string): Promise<Outcome> {
  const env = { HELM_CACHE_HOME: home, HELM_CONFIG_HOME: home, HELM_DATA_HOME: home };
  const args = [...line.split(' '), '--kubeconfig', controlPlane!.kubeconfig, '--namespace', 'shop'];
  return run(helm as string, args, { env, timeoutMs: 60_000 });
}

async function succeed(line: string): Promise<string> {
  const { code, stdout, stderr } = await attempt(line);
  assert.equal(code, 0, `helm ${line}: ${stderr}${stdout}`);
  return stdout;
}

const soon = '--wait --timeout 30s';
const data = async () =>
  (await config.makeApiClient(CoreV1Api).readNamespacedConfigMap({ namespace: 'shop', name: 'corner' })).data;
const jobs = async () =>
  (await config.makeApiClient(CoreV1Api).listNamespacedPod({ namespace: 'shop', labelSelector: 'job-name' })).items.map(
    p => p.metadata?.labels?.['job-name'],
  );

test('helm', { skip, timeout: 120_000 }, async t => {
  await t.test('install: definitions first, hooks in order, waiting for what it made', async () => {
    const out = await succeed(`install corner ${chart} --create-namespace ${soon}`);
    assert.match(out, /^STATUS: deployed$/m);
    assert.match(out, /corner revision 1 says hello\./);
    assert.deepEqual(await data(), { greeting: 'hello', before: 'nothing', policy: 'true' });
    const shelf: any = await config.makeApiClient(CustomObjectsApi).getNamespacedCustomObject({
      group: 'shop.example',
      version: 'v1',
      namespace: 'shop',
      plural: 'shelves',
      name: 'corner',
    });
    assert.deepEqual(shelf.spec, { boards: 3, label: 'hello' });
    assert.deepEqual(await jobs(), ['corner-pre-install']);
  });

  await t.test('what is there already is refused, values are checked', async () => {
    const again = await attempt(`install corner ${chart}`);
    assert.notEqual(again.code, 0);
    assert.match(again.stderr, /cannot reuse a name that is still in use|cannot re-use a name that is still in use/);
    const foreign = await attempt(`install other ${chart} --set-string replicas=x`);
    assert.match(foreign.stderr, /replicas/);
    assert.notEqual(foreign.code, 0);
  });

  await t.test('upgrade: changed templates, lookup, a hook that is gone after its success', async () => {
    const out = await succeed(`upgrade corner ${chart} --set replicas=3,greeting=moin ${soon}`);
    assert.match(out, /^REVISION: 2$/m);
    assert.deepEqual(await data(), { greeting: 'moin', before: 'hello', policy: 'true' });
    assert.deepEqual(await jobs(), ['corner-pre-install']);
  });

  await t.test('an upgrade that fails rolls back', async () => {
    const failed = await attempt(`upgrade corner ${chart} --set broken=true --rollback-on-failure --wait --timeout 3s`);
    assert.notEqual(failed.code, 0);
    assert.match(failed.stderr, /rolled back/);
    assert.equal((await data())?.greeting, 'moin');
  });

  await t.test('rollback, history, status, manifests', async () => {
    assert.match(await succeed(`rollback corner 1 ${soon}`), /Rollback was a success/);
    assert.equal((await data())?.greeting, 'hello');
    const history = JSON.parse(await succeed('history corner -o json')) as { revision: number; status: string }[];
    assert.deepEqual(
      history.map(h => `${h.revision} ${h.status}`),
      ['1 superseded', '2 superseded', '3 failed', '4 superseded', '5 deployed'],
    );
    const status = JSON.parse(await succeed('status corner -o json'));
    assert.equal(status.info.status, 'deployed');
    assert.match(await succeed('get manifest corner'), /kind: Deployment/);
    assert.match(await succeed('list -q'), /^corner$/m);
    assert.match(await succeed(`template corner ${chart} --dry-run=server`), /before: "hello"/);
  });

  await t.test('test runs the pod that tries it', async () => {
    const out = await succeed('test corner --timeout 30s');
    assert.match(out, /^Phase: +Succeeded$/m);
  });

  await t.test('uninstall removes all but the definitions', async () => {
    assert.match(await succeed(`uninstall corner ${soon}`), /release "corner" uninstalled/);
    assert.equal(await succeed('list -q'), '');
    const api = config.makeApiClient(CoreV1Api);
    assert.deepEqual((await api.listNamespacedService({ namespace: 'shop' })).items, []);
    const shelves: any = await config
      .makeApiClient(CustomObjectsApi)
      .listNamespacedCustomObject({ group: 'shop.example', version: 'v1', namespace: 'shop', plural: 'shelves' });
    assert.deepEqual(shelves.items, []);
  });
});
