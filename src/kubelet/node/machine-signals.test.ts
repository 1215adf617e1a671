import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerRuntime } from '../../cri/runtime.ts';
import type { ImageFsInfoResponse } from '../../cri/type.ts';
import type { DiskInfo, Host } from '../host/host.ts';
import { thresholdsOf } from '../kernel/eviction.ts';
import { MachineSignals } from './machine-signals.ts';

const disk = (availableBytes: number): DiskInfo => ({ capacityBytes: 100, availableBytes, inodes: 10, inodesFree: 5 });
const disks: Record<string, DiskInfo> = { '/k': disk(50), '/images': disk(10), '/layers': { ...disk(20), inodes: 0 } };

async function signalsOf(info: ImageFsInfoResponse, hard: Record<string, string>) {
  let asked = 0;
  const signals = new MachineSignals({
    runtime: {
      async ImageFsInfo() {
        asked++;
        return info;
      },
    } as unknown as ContainerRuntime,
    host: { disk: async (path: string) => disks[path] } as unknown as Host,
    root: '/k',
    memoryBytes: 1,
    thresholds: thresholdsOf({ hard }),
  });
  await signals.read();
  const found = Object.entries(await signals.read()).filter(([name]) => name.includes('fs.'));
  return { asked, found: Object.fromEntries(found.map(([name, s]) => [name, s.available])) };
}

const own = { 'nodefs.available': 50, 'nodefs.inodesFree': 5 };
const images = { 'imagefs.available': 10, 'imagefs.inodesFree': 5 };

test('the file systems of the runtime are looked at where they matter, and where they lie is asked once', async () => {
  const info = { image_filesystems: [{ fs_id: { mountpoint: '/images' } }] };
  const wanted = { 'imagefs.available': '15%' };
  assert.deepEqual(await signalsOf(info, { 'imagefs.available': '0%', 'nodefs.available': '10%' }), {
    asked: 0,
    found: own,
  });
  const same = { 'containerfs.available': 10, 'containerfs.inodesFree': 5 };
  assert.deepEqual(await signalsOf(info, wanted), { asked: 1, found: { ...own, ...images, ...same } });
  const split = { ...info, container_filesystems: [{ fs_id: { mountpoint: '/layers' } }] };
  assert.deepEqual(await signalsOf(split, wanted), {
    asked: 1,
    found: { ...own, ...images, 'containerfs.available': 20 },
  });
});
