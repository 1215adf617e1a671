// What is projected into volumes and follows its source: the downward API, maps and secrets, tokens.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Volume } from '../../src/api/type/core-v1.ts';
import { type ClusterAccess, sh, waiting } from '../cluster-access.ts';
import { eventually } from '../lab.ts';
import { modes, mount, volumeOutput } from './output.ts';

export function projectedVolumeTests(c: () => ClusterAccess): void {
  const output = volumeOutput(c);

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
