// How volumes are mounted into containers: subpaths, paths of the host, read-only, propagation.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Pod, Volume, VolumeMount } from '../../src/api/type/core-v1.ts';
import { type ClusterAccess, sh, waiting } from '../cluster-access.ts';
import { eventually } from '../lab.ts';

const mount = (name: string, mountPath = `/${name}`, more: Partial<VolumeMount> = {}) => ({ name, mountPath, ...more });
const stateOf = (pod: Pod) => pod.status?.containerStatuses?.[0]?.state;

export function mountTests(c: () => ClusterAccess): void {
  test('subPath: of files, directories, expressions, existing files; never outside', async () => {
    await c().create('configmaps', { metadata: { name: 'sub' }, data: { file: 'content' } });
    const volumes: readonly Volume[] = [
      { name: 'map', configMap: { name: 'sub' } },
      { name: 'work', emptyDir: {} },
    ];
    await c().pod('sub', {
      volumes,
      initContainers: [
        {
          name: 'make',
          command: sh(
            'mkdir -p /work/deep/er; echo deep > /work/deep/er/x; ln -s /etc /work/out; ln -s deep/er /work/in',
          ),
          volumeMounts: [mount('work')],
        },
      ],
      containers: [
        {
          name: 'main',
          env: [{ name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
          command: sh('cat /file /etc/group /deep/x /in/x; echo mine > /mine/x; cat /work/sub/x'),
          volumeMounts: [
            mount('map', '/file', { subPath: 'file' }),
            mount('map', '/etc/group', { subPath: 'file' }),
            mount('work', '/deep', { subPath: 'deep/er' }),
            mount('work', '/in', { subPath: 'in' }),
            mount('work', '/mine', { subPathExpr: '$(POD)' }),
            mount('work'),
          ],
        },
      ],
    });
    await c().pod('sub-out', {
      volumes,
      initContainers: [{ name: 'make', command: sh('ln -s /etc /work/out'), volumeMounts: [mount('work')] }],
      containers: [
        { name: 'main', command: sh('cat /out/passwd'), volumeMounts: [mount('work', '/out', { subPath: 'out' })] },
      ],
    });
    const expression = (name: string, value: string) =>
      c().pod(
        name,
        {
          volumes,
          containers: [
            {
              name: 'main',
              env: [{ name: 'P', valueFrom: { fieldRef: { fieldPath: "metadata.annotations['p']" } } }],
              command: sh('ls -d /sub'),
              volumeMounts: [mount('work', '/sub', { subPathExpr: '$(P)' })],
            },
          ],
        },
        { annotations: { p: value } },
      );
    await expression('sub-absolute', '/tmp');
    await expression('sub-backticks', '..');
    const waitingOf = (name: string) =>
      c()
        .when(name, 'held up', p => p.status?.containerStatuses?.[0]?.state?.waiting?.message)
        .then(p => p.status?.containerStatuses?.[0]?.state?.waiting);
    const [out, absolute, up] = await Promise.all(['sub-out', 'sub-absolute', 'sub-backticks'].map(waitingOf));
    assert.equal(out?.reason, 'CreateContainerConfigError');
    assert.match(out?.message ?? '', /^failed to prepare subPath for volumeMount "work" of container "main"$/);
    assert.equal(absolute?.reason, 'CreateContainerConfigError');
    assert.equal(up?.reason, 'CreateContainerConfigError');
    // It can be put right while the pod waits.
    await c().patch('pods', 'sub-absolute', { metadata: { annotations: { p: 'fine' } } });
    await c().ended('sub-absolute', 30_000);
    assert.equal((await c().ended('sub')).status?.phase, 'Succeeded', await c().log('sub'));
    assert.equal(await c().log('sub'), 'contentcontentdeep\ndeep\nmine\n');
  });

  test('a container that starts again finds the subPaths of volumes that have changed', async () => {
    await c().create('configmaps', { metadata: { name: 'again' }, data: { key: 'one' } });
    await c().pod('again', {
      restartPolicy: 'OnFailure',
      volumes: [{ name: 'map', configMap: { name: 'again' } }],
      containers: [
        {
          name: 'main',
          // Once the volume shows the change it fails, so that the second run sees the subPath anew.
          command: sh('cat /key; grep -q two /key && exit 0; until grep -q two /all/key; do sleep 0.1; done; exit 1'),
          volumeMounts: [mount('map', '/all'), mount('map', '/key', { subPath: 'key' })],
        },
      ],
    });
    await c().ready('again');
    await c().patch('configmaps', 'again', { data: { key: 'two' } });
    const { status } = await c().ended('again');
    assert.deepEqual([status?.phase, status?.containerStatuses?.[0]?.restartCount], ['Succeeded', 1]);
    assert.equal(await c().log('again'), 'two');
  });

  test('hostPath: types, and what does not fit', async () => {
    const root = join(c().lab.home, 'host');
    mkdirSync(root, { recursive: true });
    writeFileSync(join(root, 'file'), 'from the host\n');
    const socket = createServer();
    await once(socket.listen(join(root, 'socket')), 'listening');
    // A device of a number that nobody gives out: it is looked at, not opened.
    execFileSync('mknod', [join(root, 'block'), 'b', '240', '0']);
    const host = (name: string, path: string, type?: string) =>
      ({ name, hostPath: { path: join(root, path), ...(type ? { type } : {}) } }) as Volume;
    const log = async () => {
      await c().pod('host-path', {
        volumes: [
          host('dir', '.', 'Directory'),
          host('file', 'file', 'File'),
          host('made', 'made/deep', 'DirectoryOrCreate'),
          host('created', 'created', 'FileOrCreate'),
          { name: 'null', hostPath: { path: '/dev/null', type: 'CharDevice' } },
          host('socket', 'socket', 'Socket'),
          host('block', 'block', 'BlockDevice'),
        ],
        containers: [
          {
            name: 'main',
            command: sh(
              'cat /f; echo x > /made/x; echo y > /created; ls /dir; test -c /null && test -b /block && test -S /socket && echo special',
            ),
            volumeMounts: [
              mount('dir', '/dir', { readOnly: true }),
              mount('file', '/f'),
              ...['made', 'created', 'null', 'socket', 'block'].map(name => mount(name)),
            ],
          },
        ],
      });
      await c().ended('host-path');
      return c().log('host-path');
    };
    const shown = await log().catch(error => error);
    socket.close();
    rmSync(root, { recursive: true, force: true });
    assert.equal(shown, 'from the host\nblock\ncreated\nfile\nmade\nsocket\nspecial\n');
    const misfits = {
      File: 'a file',
      Socket: 'a socket file',
      CharDevice: 'a character device',
      BlockDevice: 'a block device',
    };
    const types = Object.keys(misfits) as (keyof typeof misfits)[];
    for (const type of types)
      await c().pod(`host-path-${type.toLowerCase()}`, {
        volumes: [{ name: 'wrong', hostPath: { path: '/etc', type } }],
        containers: [{ name: 'main', command: ['true'], volumeMounts: [mount('wrong')] }],
      });
    for (const type of types) {
      const event = await eventually('a FailedMount event', async () =>
        (await c().events(`host-path-${type.toLowerCase()}`)).find(e => e.reason === 'FailedMount'),
      );
      const check = `hostPath type check failed: /etc is not ${misfits[type]}`;
      assert.equal(event.message, `MountVolume.SetUp failed for volume "wrong" : ${check}`);
    }
  });

  test('volumes of drivers that are not there wait, and let their pod go', async () => {
    await c().pod('no-driver', {
      volumes: [{ name: 'data', csi: { driver: 'none.example.com' } }],
      containers: [{ name: 'main', command: ['true'], volumeMounts: [mount('data')] }],
    });
    const event = await eventually('a FailedMount event', async () =>
      (await c().events('no-driver')).find(e => e.reason === 'FailedMount'),
    );
    assert.equal(
      event.message,
      'MountVolume.SetUp failed for volume "data" : kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: driver name none.example.com not found in the list of registered CSI drivers',
    );
    await c().delete('pods', 'no-driver');
    await c().gone('no-driver');
  });

  test('what is mounted in a volume is seen where the pod says so', async () => {
    const container = (name: string, mountPropagation: VolumeMount['mountPropagation']) => ({
      name,
      command: sh(waiting),
      volumeMounts: [mount('work', '/work', { ...(mountPropagation ? { mountPropagation } : {}) })],
    });
    await c().pod('propagation', {
      volumes: [{ name: 'work', emptyDir: {} }],
      containers: [
        { ...container('both', 'Bidirectional'), securityContext: { privileged: true } },
        container('one', 'HostToContainer'),
        container('none', 'None'),
      ],
    });
    await c().ready('propagation');
    await c().exec('propagation', 'mkdir /work/in && mount -t tmpfs in /work/in && echo seen > /work/in/file', 'both');
    const seen = (name: string) => c().exec('propagation', 'cat /work/in/file 2>/dev/null || true', name);
    assert.deepEqual(await Promise.all(['both', 'one', 'none'].map(seen)), ['seen\n', 'seen\n', '']);
    // The mount on the node does not keep the pod from going.
    await c().delete('pods', 'propagation');
    await c().gone('propagation');
  });

  test('mounts that are read-only all the way down, where the runtime can', async () => {
    const modes = ['Disabled', 'IfPossible', 'Enabled'] as const;
    const pods = modes.map(recursiveReadOnly =>
      c().pod(`read-only-${recursiveReadOnly.toLowerCase()}`, {
        volumes: [{ name: 'dev', hostPath: { path: '/dev' } }],
        containers: [
          {
            name: 'main',
            // The mount's own options; those of its file system are at the line's end.
            command: sh("grep -c ' /dev-of-host/[^ ]* rw,' /proc/self/mountinfo"),
            volumeMounts: [mount('dev', '/dev-of-host', { readOnly: true, recursiveReadOnly })],
          },
        ],
      }),
    );
    await Promise.all(pods);
    const { spec } = await c().ended('read-only-ifpossible');
    const { runtimeHandlers = [] } = (await c().ask('GET', `/api/v1/nodes/${spec.nodeName}`)).status;
    const { features } = runtimeHandlers.find((h: { name?: string }) => !h.name) ?? {};
    const can = features?.recursiveReadOnlyMounts === true;
    const of = async (name: string) => (await c().ended(name)).status?.containerStatuses?.[0]?.volumeMounts?.[0];
    assert.notEqual(await c().log('read-only-disabled'), '0\n');
    const shown = { name: 'dev', mountPath: '/dev-of-host', readOnly: true };
    assert.deepEqual(await of('read-only-disabled'), { ...shown, recursiveReadOnly: 'Disabled' });
    const possible = { ...shown, recursiveReadOnly: can ? 'Enabled' : 'Disabled' };
    assert.deepEqual(await of('read-only-ifpossible'), possible);
    if (can) {
      assert.deepEqual(await of('read-only-enabled'), possible);
      assert.equal(await c().log('read-only-enabled'), '0\n');
    } else {
      const held = await c().when('read-only-enabled', 'held up', p => stateOf(p)?.waiting?.message);
      assert.deepEqual(stateOf(held)?.waiting, {
        reason: 'CreateContainerConfigError',
        message: 'volume "dev" requested recursive read-only mode, but it is not supported by the runtime',
      });
    }
  });
}
