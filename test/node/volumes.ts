// Volumes: what lies in them, with which modes and owners, and how changes reach running containers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Volume, VolumeMount } from '../../src/api/type/core-v1.ts';
import { type ClusterAccess, sh, waiting } from '../cluster-access.ts';
import { eventually } from '../lab.ts';

const mount = (name: string, mountPath = `/${name}`, more: Partial<VolumeMount> = {}) => ({ name, mountPath, ...more });

export function volumeTests(c: () => ClusterAccess): void {
  const output = async (
    name: string,
    script: string,
    volumes: readonly Volume[],
    spec: object = {},
    container: object = {},
  ) => {
    const volumeMounts = volumes.map(v => mount(v.name));
    await c().pod(name, {
      volumes: [...volumes],
      ...spec,
      containers: [{ name: 'main', command: sh(script), volumeMounts, ...container }],
    });
    await c().ended(name);
    return c().log(name);
  };
  const modes = (dir: string) =>
    `for f in $(find ${dir}/ -maxdepth 1 ! -name '..*' ! -path ${dir}/ | sort); do echo $f $(stat -L -c '%a %u %g' $f) $(cat $f); done`;

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

  test('the downward API as files', async () => {
    const field = (path: string, fieldPath: string, mode?: number) => ({
      path,
      fieldRef: { fieldPath },
      ...(mode ? { mode } : {}),
    });
    const resource = (path: string, of: string, divisor?: string) => ({
      path,
      resourceFieldRef: { containerName: 'main', resource: of, ...(divisor ? { divisor } : {}) },
    });
    const items = [
      field('podname', 'metadata.name', 0o400),
      field('uid', 'metadata.uid'),
      resource('cpu_limit', 'limits.cpu'),
      resource('cpu_request', 'requests.cpu', '1m'),
      resource('memory_limit', 'limits.memory'),
      resource('memory_request', 'requests.memory', '1Mi'),
    ];
    const resources = { requests: { cpu: '250m', memory: '32Mi' }, limits: { cpu: '1250m', memory: '64Mi' } };
    const volumes: readonly Volume[] = [
      { name: 'info', downwardAPI: { defaultMode: 0o440, items } },
      { name: 'all', projected: { sources: [{ downwardAPI: { items } }] } },
    ];
    const log = await output('downward', `${modes('/info')}; ${modes('/all')}`, volumes, {}, { resources });
    const uid = (await c().get('downward')).metadata.uid;
    const lines = (dir: string, mode: string) => [
      `/${dir}/cpu_limit ${mode} 0 0 2`,
      `/${dir}/cpu_request ${mode} 0 0 250`,
      `/${dir}/memory_limit ${mode} 0 0 ${64 * 2 ** 20}`,
      `/${dir}/memory_request ${mode} 0 0 32`,
      `/${dir}/podname 400 0 0 downward`,
      `/${dir}/uid ${mode} 0 0 ${uid}`,
    ];
    assert.equal(log, [...lines('info', '440'), ...lines('all', '644'), ''].join('\n'));
  });

  // [sig-storage] ConfigMap updates should be reflected in volume [NodeConformance]
  // [sig-storage] ConfigMap optional updates should be reflected in volume [NodeConformance]
  // [sig-storage] Secrets optional updates should be reflected in volume [NodeConformance]
  // [sig-storage] Projected configMap updates should be reflected in volume [NodeConformance]
  // [sig-storage] Projected configMap optional updates should be reflected in volume [NodeConformance]
  // [sig-storage] Projected secret optional updates should be reflected in volume [NodeConformance]
  // [sig-storage] Downward API volume should update labels on modification [NodeConformance]
  // [sig-storage] Downward API volume should update annotations on modification [NodeConformance]
  // [sig-storage] Projected downwardAPI should update labels on modification [NodeConformance]
  // [sig-storage] Projected downwardAPI should update annotations on modification [NodeConformance]
  test('changes reach running containers: updated, deleted, created, labels', async () => {
    for (const [name, data] of [
      ['live', 'one'],
      ['doomed', 'one'],
    ] as const) {
      await c().create('configmaps', { metadata: { name }, data: { data } });
      await c().create('secrets', { metadata: { name }, stringData: { data } });
    }
    const map = (name: string): Volume => ({ name: `map-${name}`, configMap: { name, optional: true } });
    const secret = (name: string): Volume => ({ name: `secret-${name}`, secret: { secretName: name, optional: true } });
    const names = ['live', 'doomed', 'coming'];
    const items = [
      { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
      { path: 'annotations', fieldRef: { fieldPath: 'metadata.annotations' } },
      { path: 'note', fieldRef: { fieldPath: "metadata.annotations['note']" } },
    ];
    const volumes: readonly Volume[] = [
      ...names.map(map),
      ...names.map(secret),
      { name: 'info', downwardAPI: { items } },
      {
        name: 'all',
        projected: {
          sources: [
            ...names.map(name => ({
              configMap: { name, optional: true, items: [{ key: 'data', path: `map-${name}` }] },
            })),
            ...names.map(name => ({
              secret: { name, optional: true, items: [{ key: 'data', path: `secret-${name}` }] },
            })),
            { downwardAPI: { items } },
          ],
        },
      },
    ];
    const volumeMounts = [
      ...volumes.map(v => mount(v.name)),
      // What a subPath shows stays as it was.
      mount('map-live', '/sub', { subPath: 'data' }),
    ];
    await c().pod(
      'live',
      { volumes, containers: [{ name: 'main', command: sh(waiting), volumeMounts }] },
      { labels: { a: '1' }, annotations: { note: 'x' } },
    );
    await c().ready('live');
    const look = () =>
      c().exec(
        'live',
        "cd /; for f in map-*/* secret-*/* all/* info/*; do echo $f=$(cat $f 2>/dev/null | tr '\\n' ,); done; echo sub=$(cat /sub)",
      );
    const before = await look();
    for (const line of [
      'map-live/data=one',
      'secret-live/data=one',
      'map-doomed/data=one',
      'all/map-doomed=one',
      'all/secret-live=one',
      ...['all', 'info'].flatMap(at => [`${at}/labels=a="1"`, `${at}/annotations=note="x"`, `${at}/note=x`]),
      'sub=one',
    ])
      assert.ok(before.split('\n').includes(line), `${line} in\n${before}`);
    assert.doesNotMatch(before, /coming/);
    for (const kind of ['configmaps', 'secrets']) {
      const data = { data: 'two', more: 'three' };
      const two = kind === 'secrets' ? { stringData: data } : { data };
      await c().patch(kind, 'live', two);
      await c().delete(kind, 'doomed');
      await c().create(kind, { metadata: { name: 'coming' }, ...two });
    }
    await c().patch('pods', 'live', { metadata: { labels: { b: '2' }, annotations: { note: 'y' } } });
    const wanted = [
      'map-live/data=two',
      'secret-live/data=two',
      'map-live/more=three',
      'secret-live/more=three',
      'map-coming/data=two',
      'secret-coming/data=two',
      'all/map-live=two',
      'all/secret-live=two',
      'all/map-coming=two',
      'all/secret-coming=two',
      ...['all', 'info'].flatMap(at => [`${at}/labels=a="1",b="2"`, `${at}/annotations=note="y"`, `${at}/note=y`]),
      'sub=one',
    ];
    let last = '';
    await eventually(
      'the changes in the container',
      async () => {
        last = await look();
        return wanted.every(line => last.split('\n').includes(line)) && !last.includes('doomed');
      },
      20_000,
    ).catch(error => assert.fail(`${error}\n${last}`));
  });

  test('service account tokens: bound, for an audience, readable without root; the root certificate and the namespace', async () => {
    const at = '/var/run/secrets/kubernetes.io/serviceaccount';
    const spec = {
      automountServiceAccountToken: true,
      securityContext: { runAsUser: 1000 },
      volumes: [
        {
          name: 'token',
          projected: {
            sources: [{ serviceAccountToken: { path: 'token', audience: 'vault', expirationSeconds: 600 } }],
          },
        },
      ],
    };
    const log = await output(
      'tokens',
      `cat /token/token; echo; cat ${at}/token; echo; cat ${at}/namespace; echo; head -1 ${at}/ca.crt; stat -L -c '%a %u' ${at}/token`,
      [],
      spec,
      {
        volumeMounts: [mount('token')],
      },
    );
    const [own, api, namespace, certificate, mode] = log.split('\n');
    const claims = (token = '') => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    const pod = await c().get('tokens');
    assert.deepEqual(claims(own).aud, ['vault']);
    assert.equal(claims(own).exp - claims(own).iat, 600);
    assert.equal(claims(own)['kubernetes.io'].pod.uid, pod.metadata.uid);
    assert.equal(claims(api).sub, `system:serviceaccount:${c().namespace}:default`);
    assert.equal(claims(api)['kubernetes.io'].node.name, pod.spec.nodeName);
    assert.deepEqual([namespace, certificate], [c().namespace, '-----BEGIN CERTIFICATE-----']);
    assert.equal(mode, '600 1000');
  });
}
