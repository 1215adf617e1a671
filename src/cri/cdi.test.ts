import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { resolveCdi } from './cdi.ts';
import type { ContainerConfig, RuntimeService } from './type.ts';

let root: string;
let directories: string[];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'k8ts-cdi-'));
  directories = ['etc', 'run'].map(d => join(root, d));
  for (const d of directories) mkdirSync(d);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const runtime = (runtime_version: string) =>
  ({ Version: async () => ({ runtime_version }) }) as unknown as RuntimeService;
const resolve = (names: readonly string[], config: ContainerConfig = {}, version = '1.6.20~ds1') =>
  resolveCdi(runtime(version), { ...config, CDI_devices: names.map(name => ({ name })) }, directories);
const bytes = (text: string) => new TextEncoder().encode(text);
const put = (directory: number, name: string, spec: unknown) =>
  writeFileSync(join(directories[directory]!, name), typeof spec === 'string' ? spec : JSON.stringify(spec));
const gpu = (device: string, containerEdits: object, kindEdits?: object) => ({
  cdiVersion: '0.6.0',
  kind: 'example.com/gpu',
  ...(kindEdits ? { containerEdits: kindEdits } : {}),
  devices: [{ name: device, containerEdits }],
});

test('devices become variables, nodes, mounts and groups; what all of a file share is added once', async () => {
  put(0, 'gpu.json', {
    ...gpu('', {}),
    containerEdits: { env: ['DRIVER=yes'] },
    devices: [
      {
        name: 'one',
        containerEdits: {
          env: ['GPU=one=1'],
          deviceNodes: [{ path: '/dev/gpu1', hostPath: '/dev/null', permissions: 'rw' }, { path: '/dev/zero' }],
          mounts: [
            { hostPath: '/opt/lib', containerPath: '/lib/gpu', options: ['ro', 'nosuid', 'rbind', 'rslave'] },
            { hostPath: '/opt/x', containerPath: '/x' },
          ],
          additionalGids: [0, 44],
        },
      },
      { name: 'two', containerEdits: { env: ['GPU2=two'] } },
    ],
  });
  const before = {
    envs: [{ key: 'A', value: bytes('b') }],
    mounts: [{ container_path: '/x', host_path: '/old' }],
    linux: { security_context: { supplemental_groups: [44, 7] } },
  };
  assert.deepEqual(await resolve(['example.com/gpu=one', 'example.com/gpu=two'], before), {
    envs: [
      { key: 'A', value: bytes('b') },
      { key: 'DRIVER', value: bytes('yes') },
      { key: 'GPU', value: bytes('one=1') },
      { key: 'GPU2', value: bytes('two') },
    ],
    devices: [
      { container_path: '/dev/gpu1', host_path: '/dev/null', permissions: 'rw' },
      { container_path: '/dev/zero', host_path: '/dev/zero', permissions: 'rwm' },
    ],
    mounts: [
      {
        container_path: '/lib/gpu',
        host_path: '/opt/lib',
        readonly: true,
        propagation: 'PROPAGATION_HOST_TO_CONTAINER',
      },
      { container_path: '/x', host_path: '/opt/x', readonly: false, propagation: 'PROPAGATION_PRIVATE' },
    ],
    linux: { security_context: { supplemental_groups: [44, 7] } },
  });
});

test('what is made at run time wins over what was installed; two files of one place that disagree count as none', async () => {
  put(0, 'a.json', gpu('one', { env: ['FROM=etc'] }));
  put(1, 'a.yaml', 'kind: example.com/gpu\ndevices:\n- name: one\n  containerEdits:\n    env: [FROM=run]\n');
  put(1, 'broken.json', '{');
  assert.deepEqual((await resolve(['example.com/gpu=one'])).envs, [{ key: 'FROM', value: bytes('run') }]);
  put(1, 'b.json', gpu('one', {}));
  await assert.rejects(resolve(['example.com/gpu=one', 'example.com/gpu=two']), {
    details:
      'failed to inject CDI devices: CDI device injection failed: unresolvable CDI devices example.com/gpu=one, example.com/gpu=two',
  });
});

test('what the CRI has no words for is refused, not left out', async () => {
  const of = (edits: object) => {
    put(0, 'a.json', gpu('one', edits));
    return resolve(['example.com/gpu=one']);
  };
  await assert.rejects(
    of({ hooks: [{ hookName: 'createContainer', path: '/bin/true' }] }),
    /needs hooks \(createContainer\), which takes a containerd of version 2.0 or later/,
  );
  await assert.rejects(of({ mounts: [{ hostPath: 'tmpfs', containerPath: '/t', type: 'tmpfs' }] }), /no bind mounts/);
});

test('a containerd that knows CDI is left to it', async () => {
  const config = { CDI_devices: [{ name: 'example.com/gpu=one' }] };
  assert.equal(await resolveCdi(runtime('v2.1.0'), config, directories), config);
  assert.deepEqual(await resolveCdi(runtime('1.6.20'), {}, directories), {});
});
