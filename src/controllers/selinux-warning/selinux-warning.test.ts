import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { coreV1, storageV1 } from '../../api/refs.ts';
import { controllerBench } from '../../engine/controller-bench.ts';
import { conflictOf } from './kernel/volume-use.ts';
import { selinuxWarningController } from './selinux-warning.ts';

const driver = (seLinuxMount: boolean) => ({
  ...{ apiVersion: 'storage.k8s.io/v1', kind: 'CSIDriver' },
  ...{ metadata: { name: 'd' }, spec: { seLinuxMount } },
});
const volume = {
  ...{ apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name: 'pv' } },
  spec: { csi: { driver: 'd', volumeHandle: 'h' }, claimRef: { namespace: 'a', name: 'c' } },
};
const claim = (namespace: string) => ({
  ...{ apiVersion: 'v1', kind: 'PersistentVolumeClaim' },
  ...{ metadata: { namespace, name: 'c' }, spec: { volumeName: 'pv' } },
});
const pod = (name: string, level?: string, more: object = {}, namespace = 'a', second?: string) => ({
  ...{ apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name, uid: name }, status: { phase: 'Running' } },
  spec: {
    securityContext: { ...(level ? { seLinuxOptions: { level } } : {}), ...more },
    containers: ['x', ...(second ? ['y'] : [])].map(c => ({
      ...{ name: c, image: 'i', volumeMounts: [{ name: 'v', mountPath: '/v' }] },
      ...(c === 'y' ? { securityContext: { seLinuxOptions: { level: second } } } : {}),
    })),
    volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'c' } }],
  },
});
const bench = (mounts: boolean, ...pods: object[]) =>
  controllerBench([selinuxWarningController()], {
    objects: [driver(mounts), volume, claim('a'), claim('b'), ...pods] as any,
  });
const tail = 'If both pods land on the same node, only one of them may access the volume.';

describe('selinux-warning-controller', () => {
  it('tells pods of one volume with different labels of each other', async () => {
    await using b = await bench(true, pod('p', 's0:c1'), pod('q', 's0:c2'), pod('r', 's0:c1', {}, 'b'));
    const other = `SELinuxLabelConflict: SELinuxLabel ":::s0:c2" conflicts with another pod that uses the same volume as this pod with a different SELinuxLabel. ${tail}`;
    const events = b.events();
    for (const line of [
      `Normal SELinuxLabelConflict: SELinuxLabel ":::s0:c1" conflicts with pod q that uses the same volume as this pod with SELinuxLabel ":::s0:c2". ${tail}`,
      `Normal SELinuxLabelConflict: SELinuxLabel ":::s0:c2" conflicts with pod p that uses the same volume as this pod with SELinuxLabel ":::s0:c1". ${tail}`,
      `Normal ${other}`,
      `Normal ${other.replace('c2', 'c1')}`,
    ])
      assert.ok(events.includes(line), events.join('\n'));
    assert.equal(events.length, 4);
    b.client.set(coreV1.pods, { ...pod('q', 's0:c2'), status: { phase: 'Succeeded' } } as any);
    await b.settle();
    b.client.set(coreV1.pods, pod('s', 's0:c1') as any);
    await b.settle();
    assert.equal(b.events().length, 4, 'who has ended is in nobody’s way');
  });

  it('tells of policies that do not go together, and says nothing of volumes without labels', async () => {
    await using b = await bench(true, pod('p', 's0:c1'), pod('q', 's0:c1', { seLinuxChangePolicy: 'Recursive' }));
    assert.match(
      b.events()[0]!,
      /^Normal SELinuxChangePolicyConflict: SELinuxChangePolicy "(MountOption|Recursive)" conflicts with pod [pq] /,
    );
    assert.equal(b.events().length, 2);
    await using none = await bench(false, pod('p', 's0:c1'), pod('q', 's0:c2'));
    assert.deepEqual(none.events(), []);
    none.client.set(storageV1.csidrivers, driver(true) as any);
    await none.settle();
    assert.equal(none.events().length, 2);
  });

  it('warns of containers that do not agree among themselves', async () => {
    await using b = await bench(true, pod('p', 's0:c1', {}, 'a', 's0:c2'));
    assert.deepEqual(b.events(), [
      'Warning MultipleSELinuxLabels: Volume "v" is mounted by containers with different SELinux labels',
    ]);
  });
});

it('conflicts are mutual, and parts that are left out conflict with nothing', () => {
  const part = fc.constantFrom('', 'a', 'b');
  const use = fc.record({
    label: fc.tuple(part, part, part, part).map(p => (p.join('') ? p.join(':') : '')),
    policy: fc.constantFrom('MountOption' as const, 'Recursive' as const),
  });
  fc.assert(
    fc.property(use, use, (a, b) => {
      assert.equal(conflictOf(a, b)?.property, conflictOf(b, a)?.property);
      assert.equal(conflictOf(a, a), undefined);
      if (a.label === '') assert.notEqual(conflictOf(a, b)?.property, 'SELinuxLabel');
    }),
  );
});
