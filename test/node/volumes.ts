// Volumes of maps, secrets and emptyDir: keys, paths, modes, owners, sizes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Volume } from '../../src/api/type/core-v1.ts';
import { type ClusterAccess, sh } from '../cluster-access.ts';
import { modes, mount, volumeOutput } from './output.ts';

export function volumeTests(c: () => ClusterAccess): void {
  const output = volumeOutput(c);

  // [sig-storage] ConfigMap binary data should be reflected in volume [NodeConformance]
  test('maps and secrets: every key, chosen keys under paths, modes, binary data', async () => {
    const binary = Buffer.from([0xde, 0xca, 0xfe, 0xba, 0xd0, 0xfe, 0xff]);
    await c().create('configmaps', {
      metadata: { name: 'files' },
      data: { 'data-1': 'value-1', 'data-2': 'value-2' },
      binaryData: { 'dump.bin': binary.toString('base64') },
    });
    await c().create('secrets', {
      metadata: { name: 'files' },
      stringData: { 'data-1': 'value-1', 'data-2': 'value-2' },
    });
    const items = [{ key: 'data-2', path: 'path/to/data-2' }];
    const withMode = [{ key: 'data-2', path: 'data-2', mode: 0o400 }];
    const volumes: readonly Volume[] = [
      { name: 'map', configMap: { name: 'files' } },
      {
        name: 'map-mode',
        configMap: { name: 'files', defaultMode: 0o400, items: [{ key: 'data-1', path: 'data-1' }] },
      },
      { name: 'map-item', configMap: { name: 'files', items: withMode } },
      { name: 'map-path', configMap: { name: 'files', items } },
      { name: 'secret', secret: { secretName: 'files' } },
      { name: 'secret-mode', secret: { secretName: 'files', defaultMode: 0o440 } },
      { name: 'secret-item', secret: { secretName: 'files', items: withMode } },
      {
        name: 'projected',
        projected: {
          defaultMode: 0o400,
          sources: [{ configMap: { name: 'files', items: withMode } }, { secret: { name: 'files', items } }],
        },
      },
    ];
    const log = await output(
      'files',
      `od -An -tx1 /map/dump.bin; cat /map/data-1; echo; rm -f /map/data-1 2>&1; ${['map-mode', 'map-item', 'secret', 'secret-mode', 'secret-item'].map(d => modes(`/${d}`)).join(';')};
cat /map-path/path/to/data-2; echo; cat /projected/path/to/data-2; stat -L -c '%a' /projected/data-2 /projected/path/to/data-2 /projected/path; readlink /map/data-1; readlink /map-path/path; stat -c %a /map /secret`,
      volumes,
    );
    assert.equal(
      log,
      [
        ' de ca fe ba d0 fe ff',
        'value-1',
        "rm: can't remove '/map/data-1': Read-only file system",
        '/map-mode/data-1 400 0 0 value-1',
        '/map-item/data-2 400 0 0 value-2',
        '/secret/data-1 644 0 0 value-1',
        '/secret/data-2 644 0 0 value-2',
        '/secret-mode/data-1 440 0 0 value-1',
        '/secret-mode/data-2 440 0 0 value-2',
        '/secret-item/data-2 400 0 0 value-2',
        'value-2',
        'value-2400',
        '400',
        '755',
        '..data/data-1',
        '..data/path',
        '777',
        '1777',
        '',
      ].join('\n'),
    );
  });

  test('not as root, with and without an fsGroup', async () => {
    await c().create('configmaps', { metadata: { name: 'plain' }, data: { 'data-1': 'value-1' } });
    await c().create('secrets', { metadata: { name: 'plain' }, stringData: { 'data-1': 'value-1' } });
    const volumes: readonly Volume[] = [
      { name: 'map', configMap: { name: 'plain' } },
      { name: 'secret', secret: { secretName: 'plain', defaultMode: 0o440 } },
      { name: 'projected', projected: { defaultMode: 0o440, sources: [{ secret: { name: 'plain' } }] } },
      { name: 'empty', emptyDir: {} },
      { name: 'memory', emptyDir: { medium: 'Memory' } },
    ];
    const script = `id -u; id -G; ${modes('/map')}; ${modes('/secret')}; ${modes('/projected')}; for d in /empty /memory; do echo x > $d/f; stat -c '%a %u %g' $d $d/f; done`;
    const [grouped, plain] = await Promise.all([
      output('group-files', script, volumes, { securityContext: { runAsUser: 1000, fsGroup: 1001 } }),
      output('user-files', `id -u; ${modes('/map')}; echo x > /empty/f; stat -c '%a %u %g' /empty /empty/f`, volumes, {
        securityContext: { runAsUser: 1000 },
      }),
    ]);
    assert.equal(
      grouped,
      [
        '1000',
        '0 1001',
        '/map/data-1 644 0 1001 value-1',
        '/secret/data-1 440 0 1001 value-1',
        '/projected/data-1 440 0 1001 value-1',
        '2777 0 1001',
        '644 1000 1001',
        '3777 0 1001',
        '644 1000 1001',
        '',
      ].join('\n'),
    );
    assert.equal(plain, '1000\n/map/data-1 644 0 0 value-1\n777 0 0\n644 1000 0\n');
  });

  test('emptyDir: modes, medium, size, shared between containers', async () => {
    const umask =
      'umask 0; for m in 644 666 777; do echo x > $D/$m; chmod $m $D/$m; stat -c %a $D/$m; done; stat -c %a $D; stat -f -c %T $D';
    const volumes: readonly Volume[] = [
      { name: 'disk', emptyDir: {} },
      { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
    ];
    const own = (uid: number) =>
      output(
        `modes-${uid}`,
        `for D in /disk /memory; do ${umask}; done; dd if=/dev/zero of=/memory/big bs=1k count=2000 2>&1 | grep -c 'No space'`,
        volumes,
        { securityContext: { runAsUser: uid } },
      );
    const [root, user] = await Promise.all([own(0), own(1001)]);
    assert.match(root, /^644\n666\n777\n777\n.*\n644\n666\n777\n1777\ntmpfs\n1\n$/);
    assert.match(user, /^644\n666\n777\n777\n.*\n644\n666\n777\n1777\ntmpfs\n1\n$/);
    // [sig-storage] EmptyDir volumes pod should support shared volumes between containers
    await c().pod('shared', {
      volumes: [{ name: 'data', emptyDir: {} }],
      containers: [
        { name: 'writer', command: sh('echo Hello > /data/index; sleep 0.5'), volumeMounts: [mount('data')] },
        {
          name: 'reader',
          command: sh('until [ -e /data/index ]; do sleep 0.1; done; cat /data/index'),
          volumeMounts: [mount('data')],
        },
      ],
    });
    await c().ended('shared');
    assert.equal(await c().log('shared', 'reader'), 'Hello\n');
  });
}
