import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { coreV1 } from '../../api/refs.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { createCluster } from '../create-cluster.ts';
import { connectTo } from './connection.ts';

test('a controller whose account is made anew asks for another token', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'k8ts-connection-'));
  const kubeconfig = join(folder, 'kubeconfig');
  const cluster = await createCluster({ components: [] });
  writeFileSync(kubeconfig, (await cluster.listen()).kubeconfig);
  const connection = connectTo({ kubeconfig, userAgent: 'test', clock: systemClock, log: silentLog });
  try {
    const serviceAccount = 'job-controller';
    const own = connection.client.as({ userAgent: 'test/job', serviceAccount });
    const pods = () => own.list(coreV1.pods, { namespace: 'default' });
    await pods();
    await cluster.client.delete(coreV1.serviceaccounts, { namespace: 'kube-system', name: serviceAccount });
    await assert.rejects(pods(), { code: 401 });
    await pods();
  } finally {
    connection.close();
    await cluster.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
