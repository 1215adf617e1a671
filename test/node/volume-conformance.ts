// The official suite's tests of volumes that show content: one row a test, all rows of one user in one container.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, Volume, VolumeMount } from '../../src/api/type/core-v1.ts';
import { type ClusterAccess, sh } from '../cluster-access.ts';
import { eventually } from '../lab.ts';
import { contentRows } from './volume-content.ts';
import { downwardRows } from './volume-downward.ts';
import { dataName, type Row, type Rows, root, show, type User, user1001 } from './volume-row.ts';

/** User, mode and medium are in the name. */
function emptyDir(name: string): [string, Row] {
  const [, who, mode = '', medium] = /\((root|non-root),0(\d+),(default|tmpfs)\)/.exec(name) ?? [];
  const user = who === 'root' ? root : user1001;
  const memory = medium === 'tmpfs';
  const row = {
    user,
    volumes: [{ emptyDir: memory ? { medium: 'Memory' } : {} }],
    script: `umask 0; echo mount-tester new file > $V/f; chmod ${mode} $V/f; ${show('$V/f')}; stat -f -c %T $V | grep -x tmpfs`,
    expected: `${mode} ${user.uid} 0\nmount-tester new file\n${memory ? '\ntmpfs' : ''}`.trimEnd(),
  };
  return [name, row];
}
const hasMode = (medium: string, expected: string): Row => ({
  user: root,
  volumes: [{ emptyDir: { medium } }],
  script: 'stat -c %A $V | cut -c1-9; stat -f -c %T $V | grep -x tmpfs',
  expected,
});

const emptyDirRows: Rows = {
  '[sig-storage] EmptyDir volumes volume on default medium should have the correct mode [LinuxOnly] [NodeConformance]':
    hasMode('', 'drwxrwxrw'),
  '[sig-storage] EmptyDir volumes volume on tmpfs should have the correct mode [LinuxOnly] [NodeConformance]': hasMode(
    'Memory',
    'drwxrwxrw\ntmpfs',
  ),
  ...Object.fromEntries(
    [
      '[sig-storage] EmptyDir volumes should support (root,0644,default) [LinuxOnly] [NodeConformance]',
      '[sig-storage] EmptyDir volumes should support (root,0666,default) [LinuxOnly] [NodeConformance]',
      '[sig-storage] EmptyDir volumes should support (root,0777,default) [LinuxOnly] [NodeConformance]',
      '[sig-storage] EmptyDir volumes should support (root,0644,tmpfs) [LinuxOnly] [NodeConformance]',
      '[sig-storage] EmptyDir volumes should support (root,0666,tmpfs) [LinuxOnly] [NodeConformance]',
      '[sig-storage] EmptyDir volumes should support (root,0777,tmpfs) [LinuxOnly] [NodeConformance]',
      '[sig-storage] EmptyDir volumes should support (non-root,0644,default) [LinuxOnly] [NodeConformance]',
      '[sig-storage] EmptyDir volumes should support (non-root,0666,default) [LinuxOnly] [NodeConformance]',
      '[sig-storage] EmptyDir volumes should support (non-root,0777,default) [LinuxOnly] [NodeConformance]',
      '[sig-storage] EmptyDir volumes should support (non-root,0644,tmpfs) [LinuxOnly] [NodeConformance]',
      '[sig-storage] EmptyDir volumes should support (non-root,0666,tmpfs) [LinuxOnly] [NodeConformance]',
      '[sig-storage] EmptyDir volumes should support (non-root,0777,tmpfs) [LinuxOnly] [NodeConformance]',
    ].map(emptyDir),
  ),
};

const rows: Rows = { ...contentRows, ...downwardRows, ...emptyDirRows };

/** What each row of one user printed, and the pod that did. */
async function run(c: ClusterAccess, user: User, mine: readonly Row[]) {
  const volumes: Volume[] = [];
  const volumeMounts: VolumeMount[] = [];
  const lines: string[] = [];
  for (const [i, row] of mine.entries()) {
    const paths = row.volumes.map((volume, n) => {
      const name = `v${i}-${n}`;
      const mountPath = row.mount?.mountPath ?? `/${name}`;
      volumes.push({ ...volume, name });
      volumeMounts.push({ name, ...row.mount, mountPath });
      return mountPath;
    });
    lines.push(`V=${paths[0]}; W=${paths[1] ?? ''}; ${row.script}; echo; echo ==${i}`);
  }
  const name = `volumes-${user.uid}${user.fsGroup ? '-grouped' : ''}${user.resources ? '-limited' : ''}`;
  const { uid: runAsUser, fsGroup } = user;
  const { uid: _, fsGroup: __, ...container } = user;
  // As the official pods of emptyDir and subpaths have it; without SELinux it means nothing.
  const seLinuxOptions = { level: 's0:c0,c1' };
  const securityContext = { runAsUser, seLinuxOptions, ...(fsGroup ? { fsGroup } : {}) };
  const main = { name: 'main', command: sh(`exec 2>&1\n${lines.join('\n')}`), volumeMounts, ...container };
  await c.pod(name, { securityContext, volumes, containers: [main] });
  const pod = await c.ended(name);
  const node = await c.ask('GET', `/api/v1/nodes/${pod.spec.nodeName}`);
  const printed = (await c.log(name)).split(/\n==\d+\n/).map(text => text.trim());
  return { pod, allocatable: node.status.allocatable, printed: new Map(mine.map((row, i) => [row, printed[i]])) };
}

export function volumeConformanceTests(c: () => ClusterAccess): void {
  let ready: Promise<void> | undefined;
  const data = { 'data-1': 'value-1', 'data-2': 'value-2' };
  const prepare = async () => {
    const other = c().in(dataName);
    await c().ask('POST', '/api/v1/namespaces', { metadata: { name: other.namespace } });
    const metadata = { name: dataName };
    await Promise.all([
      c().create('configmaps', { metadata, data }),
      c().create('secrets', { metadata, stringData: data }),
      other.create('secrets', { metadata, stringData: { 'data-1': 'other' } }),
    ]);
  };
  const running = new Map<User, ReturnType<typeof run>>();
  for (const [name, row] of Object.entries(rows))
    test(name, async () => {
      ready ??= prepare();
      await ready;
      const { user, expected } = row;
      const pending =
        running.get(user) ??
        run(
          c(),
          user,
          Object.values(rows).filter(r => r.user === user),
        );
      running.set(user, pending);
      const { pod, allocatable, printed } = await pending;
      assert.equal(printed.get(row), typeof expected === 'string' ? expected : expected(pod, allocatable));
    });

  test('[sig-storage] EmptyDir wrapper volumes should not cause race condition when used for configmaps [Serial]', async () => {
    const names = Array.from({ length: 50 }, (_, i) => `racey-configmap-${i}`);
    await Promise.all(
      names.map(name => c().create('configmaps', { metadata: { name }, data: { 'data-1': 'value-1' } })),
    );
    const { items } = await c().ask('GET', '/api/v1/nodes');
    const labels = { name: 'wrapped-volume-race' };
    await c().create('replicationcontrollers', {
      metadata: { name: 'wrapped-volume-race' },
      spec: {
        replicas: 5,
        selector: labels,
        template: {
          metadata: { labels },
          spec: {
            nodeName: items[0].metadata.name,
            automountServiceAccountToken: false,
            terminationGracePeriodSeconds: 0,
            volumes: names.map(name => ({ name, configMap: { name, items: [{ key: 'data-1', path: 'data-1' }] } })),
            containers: [
              {
                name: 'test-container',
                image: c().image,
                command: ['sleep', '10000'],
                volumeMounts: names.map((name, i) => ({ name, mountPath: `/etc/config-${i}` })),
              },
            ],
          },
        },
      },
    });
    await eventually(
      'five pods with fifty volumes each',
      async () => {
        const pods: Pod[] = (await c().ask('GET', `${c().path('pods')}?labelSelector=name%3Dwrapped-volume-race`))
          .items;
        return pods.filter(p => p.status?.phase === 'Running').length === 5;
      },
      60_000,
    );
    await c().delete('replicationcontrollers', 'wrapped-volume-race', { propagationPolicy: 'Background' });
  });
}
