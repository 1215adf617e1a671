import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { coreV1, storagemigrationV1beta1 } from '../../api/refs.ts';
import { conflict, forbidden, internalError } from '../../api/status.ts';
import type { FakeClient } from '../../client/fake-client.ts';
import { controllerBench } from '../../engine/controller-bench.ts';
import { storageVersionMigratorController } from './storage-version-migrator.ts';

const { storageversionmigrations } = storagemigrationV1beta1;
const migration = (resource: string) => ({
  apiVersion: 'storagemigration.k8s.io/v1beta1',
  kind: 'StorageVersionMigration',
  metadata: { name: 'm' },
  spec: { resource: { group: '', resource } },
});
const secret = (name: string) => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'a', uid: name } });
const documents: Record<string, unknown> = {
  '/apis': { groups: [] },
  '/api/v1': { groupVersion: 'v1', resources: [{ name: 'secrets', kind: 'Secret', namespaced: true, verbs: [] }] },
};
const start = async (resource: string, prepare?: (client: FakeClient) => void) => {
  const bench = await controllerBench([storageVersionMigratorController()], {
    objects: [migration(resource), secret('s'), secret('t')] as object[] as [],
    prepare(client) {
      client.raw = path => Promise.resolve(documents[path]);
      const as = client.as.bind(client);
      client.as = identity => Object.assign(as(identity), { raw: client.raw });
      prepare?.(client);
    },
  });
  const now = () => bench.client.object(storageversionmigrations, 'm')!;
  const conditions = () => now().status?.conditions?.map(c => `${c.type}=${c.status} ${c.reason} ${c.message}`);
  return { bench, now, conditions };
};
const patched = (client: FakeClient) => client.writes().filter(w => w.startsWith('patch secrets'));

describe('storage-version-migrator-controller', () => {
  it('writes every object anew, once, and says so', async () => {
    const { bench, now, conditions } = await start('secrets');
    assert.deepEqual(patched(bench.client), ['patch secrets a/s', 'patch secrets a/t']);
    const body = bench.client.actions.find(a => a.verb === 'patch')?.body;
    assert.deepEqual(Object.keys(body), ['apiVersion', 'kind', 'metadata']);
    assert.deepEqual(Object.keys(body.metadata), ['namespace', 'name', 'uid', 'resourceVersion']);
    assert.deepEqual(conditions(), [
      'Running=False StorageVersionMigrationInProgress ',
      'Succeeded=True StorageVersionMigrationSucceeded ',
    ]);
    assert.ok(now().status?.resourceVersion);
    bench.client.clearActions();
    await bench.advance(3_600_000);
    assert.deepEqual(bench.client.writes(), []);
    await bench.stop();
  });

  it('leaves what others wrote meanwhile, and tries again after an outage', async () => {
    const { bench, conditions } = await start('secrets', client => {
      client.failNext('patch', coreV1.secrets, conflict({ group: '', resource: 'secrets' }, 's', 'x'));
    });
    assert.equal(conditions()?.at(-1), 'Succeeded=True StorageVersionMigrationSucceeded ');
    await bench.stop();
    const second = await start('secrets', client => {
      client.failNext('patch', coreV1.secrets, internalError('down'));
    });
    await second.bench.advance(1000);
    assert.deepEqual(patched(second.bench.client), ['patch secrets a/s', 'patch secrets a/s', 'patch secrets a/t']);
    assert.equal(second.conditions()?.at(-1), 'Succeeded=True StorageVersionMigrationSucceeded ');
    await second.bench.stop();
  });

  it('fails for a resource that is not there, or that may not be written', async () => {
    const first = await start('nothings');
    assert.deepEqual(first.conditions(), [
      'Failed=True StorageVersionMigrationFailed resource nothings does not exist',
    ]);
    await first.bench.stop();
    const second = await start('secrets', client => {
      client.failNext('patch', coreV1.secrets, forbidden({ group: '', resource: 'secrets' }, 's', 'no'));
    });
    assert.match(
      second.conditions()!.at(-1)!,
      /^Failed=True StorageVersionMigrationFailed secrets "s" is forbidden: no/,
    );
    await second.bench.stop();
  });
});
