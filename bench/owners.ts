// `npm run bench owners`: one object that owns thousands, deleted in the background and in the foreground, on the virtual
// clock. Twice, ten times as many the second time: what is linear takes ten times as long.
import { coreV1, createCluster, virtualClock } from '../src/cluster/index.ts';
import { report } from './report.ts';

const namespace = 'default';
const createdAtOnce = 500;

interface Taken {
  readonly seconds: number;
  readonly mebibytes: number;
}

/** Processor time of the deletion, and what the process needs more for it at most. */
async function deleteOwner(many: number, propagationPolicy: 'Background' | 'Foreground'): Promise<Taken> {
  const cluster = await createCluster({
    ...{ clock: virtualClock(), seed: 1, components: ['controllers'] },
    controllers: ['garbage-collector-controller', 'namespace-controller'],
  });
  const { client, faults } = cluster;
  const { uid } = (await client.create(coreV1.configmaps, { metadata: { name: 'owner', namespace } })).metadata;
  const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid, blockOwnerDeletion: true };
  const make = (i: number) =>
    client.create(coreV1.configmaps, { metadata: { name: `o${i}`, namespace, ownerReferences: [owner] } });
  for (let i = 0; i < many; i += createdAtOnce)
    await Promise.all(Array.from({ length: Math.min(createdAtOnce, many - i) }, (_, k) => make(i + k)));
  await cluster.advance('1m');
  globalThis.gc?.();
  const before = process.cpuUsage();
  const { rss } = process.memoryUsage();
  let most = rss;
  let calls = 0;
  const stop = faults.observe(() => {
    if (++calls % 1000 === 0) most = Math.max(most, process.memoryUsage.rss());
  });
  await client.delete(coreV1.configmaps, { namespace, name: 'owner' }, { propagationPolicy });
  await cluster.advance('10m');
  stop();
  const { user, system } = process.cpuUsage(before);
  const { items } = await client.list(coreV1.configmaps, { namespace });
  const left = items.filter(o => /^(o\d+|owner)$/.test(o.metadata.name)).length;
  if (left > 0) throw new Error(`bench: ${left} of ${many} objects are left`);
  await cluster.stop();
  return {
    seconds: (user + system) / 1e6,
    mebibytes: Math.max(most, process.memoryUsage.rss()) / 2 ** 20 - rss / 2 ** 20,
  };
}

/** Sizes from the command line when run by itself. */
export async function benchOwners(sizes: readonly number[] = [10_000, 100_000]): Promise<void> {
  for (const policy of ['Background', 'Foreground'] as const)
    for (const many of sizes) {
      const { seconds, mebibytes } = await deleteOwner(many, policy);
      const what = `${many} objects of one owner, ${policy}`;
      report({ bench: 'owners', what: `${what}, processor time`, value: seconds, unit: 's' });
      report({ bench: 'owners', what: `${what}, memory`, value: mebibytes, unit: 'MiB' });
    }
}

if (import.meta.main) {
  const sizes = process.argv.slice(2).map(Number);
  await benchOwners(sizes.length ? sizes : undefined);
}
