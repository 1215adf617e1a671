import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cloneDeep, type Draft } from '../../api/meta.ts';
import { coreV1, storageV1 } from '../../api/refs.ts';
import { forbidden } from '../../api/status.ts';
import type { Node, PersistentVolume, Pod } from '../../api/type/core-v1.ts';
import type { VolumeAttachment } from '../../api/type/storage-v1.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import { testNode } from '../test-nodes.ts';
import { writesBut } from '../test-pods.ts';
import { attachDetachController } from './attach-detach.ts';

const managed = 'volumes.kubernetes.io/controller-managed-attach-detach';
const unique = 'kubernetes.io/csi/d^h';
const node = (name: string): Draft<Node> => {
  const made = testNode(name);
  return { ...made, metadata: { ...made.metadata!, annotations: { [managed]: 'true' } } };
};
const storage = (accessModes = ['ReadWriteOnce']) => [
  {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'c', namespace: 'a', uid: 'uid-c' },
    spec: { volumeName: 'v' },
    status: { phase: 'Bound' },
  },
  {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'v' },
    spec: {
      accessModes,
      csi: { driver: 'd', volumeHandle: 'h' },
      claimRef: { namespace: 'a', name: 'c', uid: 'uid-c' },
    },
  } as object as Draft<PersistentVolume>,
];
const pod = (name: string, nodeName: string) =>
  ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'a', uid: `uid-${name}` },
    spec: { nodeName, containers: [], volumes: [{ name: 'x', persistentVolumeClaim: { claimName: 'c' } }] },
  }) as object as Draft<Pod>;
const start = (objects: object[], options = {}) =>
  controllerBench([attachDetachController(options)], { objects: objects as [] });

const attachments = (bench: ControllerBench) => bench.client.objects(storageV1.volumeattachments);
/** What the driver's attacher does. */
async function drive(bench: ControllerBench, status: Partial<VolumeAttachment['status']> = { attached: true }) {
  for (const a of attachments(bench))
    bench.client.set(storageV1.volumeattachments, {
      ...a,
      status: { attached: false, ...status },
    } as Draft<VolumeAttachment>);
  await bench.settle();
}
async function editNode(bench: ControllerBench, name: string, edit: (node: Draft<Node>) => void) {
  const draft: Draft<Node> = cloneDeep(bench.client.object(coreV1.nodes, name)!);
  edit(draft);
  bench.client.set(coreV1.nodes, draft);
  await bench.settle();
}
const use = (bench: ControllerBench, name: string, volumes: string[]) =>
  editNode(bench, name, n => {
    n.status!.volumesInUse = volumes;
  });
const unready = (bench: ControllerBench, name: string) =>
  editNode(bench, name, n => {
    for (const c of n.status!.conditions!) if (c.type === 'Ready') c.status = 'Unknown';
  });
const shown = (bench: ControllerBench, name: string) =>
  bench.client.object(coreV1.nodes, name)?.status?.volumesAttached;
const endPod = async (bench: ControllerBench, name: string) => {
  bench.client.remove(coreV1.pods, `a/${name}`);
  await bench.settle();
};
const onNode = async (objects: object[] = []) => {
  const bench = await start([...storage(), node('n'), pod('p', 'n'), ...objects]);
  await drive(bench);
  return bench;
};

describe('persistentvolume-attach-detach-controller', () => {
  it('attaches, tells node and pod, and rests', async () => {
    await using bench = await start([...storage(), node('n'), pod('p', 'n')]);
    const [attachment] = attachments(bench);
    // csi- and the hash of handle, driver and node.
    assert.equal(attachment?.metadata.name, 'csi-9072ed11cc1acb5fa433a877ff339b6311d013f33bddd1d0092711a8ace5b16d');
    assert.deepEqual(attachment?.spec, { attacher: 'd', nodeName: 'n', source: { persistentVolumeName: 'v' } });
    assert.equal(shown(bench, 'n'), undefined);
    await drive(bench);
    assert.deepEqual(shown(bench, 'n'), [{ name: unique, devicePath: '' }]);
    assert.deepEqual(bench.events(), ['Normal SuccessfulAttachVolume: AttachVolume.Attach succeeded for volume "v" ']);
    bench.client.clearActions();
    await bench.advance(600_000);
    assert.deepEqual(writesBut(bench.client), []);
  });

  it('attaches nothing that its driver mounts without, that is not bound, or on a node that attaches by itself', async () => {
    const driver = {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'CSIDriver',
      metadata: { name: 'd' },
      spec: { attachRequired: false },
    };
    const [claim, volume] = storage();
    for (const objects of [
      [claim, volume, node('n'), driver],
      [{ ...claim, status: { phase: 'Pending' } }, volume, node('n')],
      [{ ...claim, metadata: { name: 'c', namespace: 'a', uid: 'another' } }, volume, node('n')],
      [claim, volume, testNode('n')],
    ]) {
      await using bench = await start([...objects, pod('p', 'n')] as object[]);
      assert.deepEqual(writesBut(bench.client), []);
    }
  });

  it('detaches once the node has unmounted it, and first takes it off the list', async () => {
    await using bench = await onNode();
    await use(bench, 'n', [unique]);
    await endPod(bench, 'p');
    await bench.advance(3_600_000);
    assert.equal(attachments(bench).length, 1, 'the node is well: it is waited for');
    assert.equal(shown(bench, 'n')?.length, 1);
    bench.client.clearActions();
    await use(bench, 'n', []);
    assert.equal(attachments(bench).length, 0);
    assert.equal(shown(bench, 'n'), undefined);
    assert.match(writesBut(bench.client).join(), /^patch nodes\/status n,delete volumeattachments/);
  });

  it('leaves what it does not know on a node that uses something', async () => {
    await using bench = await onNode();
    await use(bench, 'n', [unique]);
    bench.client.remove(coreV1.persistentvolumes, 'v');
    await bench.advance(3_600_000);
    assert.equal(attachments(bench).length, 1);
    await use(bench, 'n', []);
    assert.equal(attachments(bench).length, 0);
  });

  it('leaves it when the node began to use it just now', async () => {
    await using bench = await onNode();
    const stop = bench.client.react(({ verb, resource }) => {
      if (verb !== 'get' || resource.resource !== 'nodes') return;
      stop();
      const now = cloneDeep(bench.client.object(coreV1.nodes, 'n')!) as Draft<Node>;
      bench.client.set(coreV1.nodes, { ...now, status: { ...now.status, volumesInUse: [unique] } } as Draft<Node>);
    });
    await endPod(bench, 'p');
    assert.equal(attachments(bench).length, 1);
    assert.equal(shown(bench, 'n')?.length, 1, 'told again');
  });

  it('detaches from a node that is not ready after six minutes, and never if told so', async () => {
    await using bench = await onNode();
    await use(bench, 'n', [unique]);
    await unready(bench, 'n');
    await endPod(bench, 'p');
    await bench.advance(359_000);
    assert.equal(attachments(bench).length, 1);
    await bench.advance(2000);
    assert.equal(attachments(bench).length, 0);
    await using patient = await start([...storage(), node('n'), pod('p', 'n')], { maxWaitForUnmountMs: undefined });
    await drive(patient);
    await use(patient, 'n', [unique]);
    await unready(patient, 'n');
    await endPod(patient, 'p');
    await patient.advance(3_600_000);
    assert.equal(attachments(patient).length, 1);
  });

  it('detaches from a node out of service at once, from one that is deleted when it used nothing', async () => {
    await using bench = await onNode();
    await use(bench, 'n', [unique]);
    await endPod(bench, 'p');
    await editNode(bench, 'n', n => {
      n.spec = { ...n.spec, taints: [{ key: 'node.kubernetes.io/out-of-service', effect: 'NoExecute' }] };
    });
    assert.equal(attachments(bench).length, 0);
    await using second = await onNode();
    second.client.remove(coreV1.nodes, 'n');
    await second.settle();
    assert.equal(attachments(second).length, 0);
    await using third = await onNode();
    await use(third, 'n', [unique]);
    third.client.remove(coreV1.nodes, 'n');
    await third.advance(359_000);
    assert.equal(attachments(third).length, 1);
    await third.advance(2000);
    assert.equal(attachments(third).length, 0);
  });

  it('tells pods which other pods have the volume, once, and attaches it when it is free', async () => {
    await using bench = await onNode([node('m')]);
    bench.client.set(coreV1.pods, pod('q', 'm'));
    await bench.advance(60_000);
    const told = 'Warning FailedAttachVolume: Multi-Attach error for volume "v" Volume is already used by pod(s) p';
    assert.deepEqual(bench.events().slice(1), [told]);
    assert.equal(attachments(bench).length, 1);
    await endPod(bench, 'p');
    assert.deepEqual(
      attachments(bench).map(a => a.spec.nodeName),
      ['m'],
    );
    await drive(bench);
    assert.equal(shown(bench, 'm')?.length, 1);
  });

  it('says so when no pod has it any more', async () => {
    await using bench = await onNode([node('m')]);
    await use(bench, 'n', [unique]);
    await endPod(bench, 'p');
    bench.client.set(coreV1.pods, pod('q', 'm'));
    await bench.settle();
    const told = `Warning FailedAttachVolume: Multi-Attach error for volume "v" Volume is already exclusively attached to one node and can't be attached to another`;
    assert.deepEqual(bench.events().slice(1), [told]);
  });

  it('attaches to many nodes what may be', async () => {
    await using bench = await start([
      ...storage(['ReadWriteMany']),
      node('n'),
      node('m'),
      pod('p', 'n'),
      pod('q', 'm'),
      pod('r', 'm'),
    ]);
    assert.equal(attachments(bench).length, 2);
  });

  it('gives a volume of one node to one of two that ask at the same time', async () => {
    await using bench = await start([...storage(), node('n'), node('m'), pod('p', 'n'), pod('q', 'm')]);
    assert.equal(attachments(bench).length, 1);
    assert.deepEqual(bench.events(), []);
  });

  it('tells why it cannot be attached, ever more rarely', async () => {
    await using bench = await start([...storage(), node('n'), pod('p', 'n')]);
    await drive(bench, { attachError: { message: 'rpc error: no' } });
    await bench.advance(3000);
    const counted = bench.client.objects(coreV1.events).map(e => `${e.message} ${e.count}`);
    assert.deepEqual(counted, ['AttachVolume.Attach failed for volume "v" : rpc error: no 3']);
    await drive(bench);
    assert.ok(bench.events().some(e => e.startsWith('Normal SuccessfulAttachVolume')));
  });

  it('tells of an attacher that does not answer, and of a server that refuses', async () => {
    await using bench = await start([...storage(), node('n'), pod('p', 'n')]);
    await bench.advance(121_000);
    assert.deepEqual(bench.events(), [
      'Warning FailedAttachVolume: AttachVolume.Attach failed for volume "v" : timed out waiting for external-attacher of d CSI driver to attach volume h',
    ]);
    await using second = await start([...storage(), node('n')]);
    second.client.failNext('create', storageV1.volumeattachments, forbidden({ group: 'g', resource: 'r' }, 'x', 'no'));
    second.client.set(coreV1.pods, pod('p', 'n'));
    await second.settle();
    assert.match(second.events().join(), /AttachVolume.Attach failed for volume "v" : r.g "x" is forbidden: no$/);
    await second.advance(1000);
    assert.equal(attachments(second).length, 1);
  });

  it('ends the use of pods that have ended, or are being deleted with nothing running', async () => {
    await using bench = await onNode();
    const now = bench.client.object(coreV1.pods, 'a/p')!;
    bench.client.set(coreV1.pods, { ...now, status: { ...now.status, phase: 'Succeeded' } } as Draft<Pod>);
    await bench.settle();
    assert.equal(attachments(bench).length, 0);
  });
});
