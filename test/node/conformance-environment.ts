// The official suite's tests of what a container finds, done as it does them: /etc/hosts, variables, users, subpaths.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container } from '../../src/api/type/core-v1.ts';
import { type ClusterAccess, sh, waiting } from '../cluster-access.ts';

const idle = { name: 'main', command: sh(waiting) };

export function conformanceEnvironment(c: () => ClusterAccess): void {
  const output = async (name: string, script: string, container: Partial<Container> = {}, spec: object = {}) => {
    await c().pod(name, { ...spec, containers: [{ name: 'main', command: sh(script), ...container }] });
    assert.equal((await c().ended(name)).status?.phase, 'Succeeded', await c().log(name));
    return c().log(name);
  };

  test('[sig-node] KubeletManagedEtcHosts should test kubelet managed /etc/hosts file [NodeConformance]', async () => {
    const volumes = [{ name: 'host-etc-hosts', hostPath: { path: '/etc/hosts', type: 'File' } }];
    const original = { name: 'host-etc-hosts', mountPath: '/etc/hosts-original' };
    const container = (name: string) => ({ ...idle, name, volumeMounts: [original] });
    const own = { ...idle, name: 'busybox-3', volumeMounts: [original, { ...original, mountPath: '/etc/hosts' }] };
    const containers = [container('busybox-1'), container('busybox-2')];
    await Promise.all([
      c().pod('etc-hosts', { volumes, containers: [...containers, own] } as never),
      c().pod('etc-hosts-host', { volumes, hostNetwork: true, containers } as never),
    ]);
    await Promise.all([c().ready('etc-hosts'), c().ready('etc-hosts-host')]);
    for (const [pod, name, managed] of [
      ['etc-hosts', 'busybox-1', true],
      ['etc-hosts', 'busybox-2', true],
      ['etc-hosts', 'busybox-3', false],
      ['etc-hosts-host', 'busybox-1', false],
      ['etc-hosts-host', 'busybox-2', false],
    ] as const) {
      const [hosts, theirs] = await Promise.all(
        ['hosts', 'hosts-original'].map(f => c().exec(pod, `cat /etc/${f}`, name)),
      );
      assert.equal(hosts!.startsWith('# Kubernetes-managed hosts file.'), managed, `${pod} ${name}: ${hosts}`);
      assert.equal(hosts!.includes(theirs!), !managed, `${pod} ${name}: ${hosts}`);
    }
  });

  for (const [title, kind] of [
    ['[sig-node] ConfigMap should be consumable as environment variable names with various prefixes', 'configMapRef'],
    [
      '[sig-node] Secrets should be consumable as environment variable names variable names with various prefixes',
      'secretRef',
    ],
  ] as const)
    test(title, async () => {
      const name = `prefixes-${kind.toLowerCase()}`;
      const body = {
        metadata: { name },
        [kind === 'secretRef' ? 'stringData' : 'data']: { 'data-1': 'value-1', '2': 'value-2' },
      };
      await c().create(kind === 'secretRef' ? 'secrets' : 'configmaps', body);
      const prefixes = ['', 'p-', 'p_', 'p.', '1-', '$_-', '#', '~ '];
      const envFrom = prefixes.map(prefix => ({ ...(prefix ? { prefix } : {}), [kind]: { name } }));
      const lines = (await output(name, '', { command: ['env'], envFrom } as never)).split('\n');
      for (const prefix of prefixes)
        for (const [key, value] of [
          ['data-1', 'value-1'],
          ['2', 'value-2'],
        ])
          assert.ok(lines.includes(`${prefix}${key}=${value}`), `${prefix}${key} in ${lines}`);
    });

  test("[sig-node] Downward API should provide container's limits.cpu/memory and requests.cpu/memory as env vars [NodeConformance]", async () => {
    const env = ['limits.cpu', 'limits.memory', 'requests.cpu', 'requests.memory'].map(resource => ({
      name: resource.replace('.', '_').toUpperCase(),
      valueFrom: { resourceFieldRef: { resource } },
    }));
    const resources = { requests: { cpu: '250m', memory: '32Mi' }, limits: { cpu: '1250m', memory: '64Mi' } };
    const log = await output('downward-resources', 'env | grep -E "^(LIMITS|REQUESTS)_" | sort', { env, resources });
    assert.equal(log, `LIMITS_CPU=2\nLIMITS_MEMORY=67108864\nREQUESTS_CPU=1\nREQUESTS_MEMORY=33554432\n`);
  });

  for (const [title, name, own, uid, gid] of [
    [
      '[sig-node] Security Context should support pod.Spec.SecurityContext.RunAsUser And pod.Spec.SecurityContext.RunAsGroup [LinuxOnly]',
      'group-of-pod',
      {},
      1001,
      2002,
    ],
    [
      '[sig-node] Security Context should support container.SecurityContext.RunAsUser And container.SecurityContext.RunAsGroup [LinuxOnly]',
      'group-of-container',
      { runAsUser: 1002, runAsGroup: 2003 },
      1002,
      2003,
    ],
    [
      '[sig-node] Security Context When creating a container with runAsUser should run the container with uid 65534 [LinuxOnly] [NodeConformance]',
      'nobody',
      { runAsUser: 65534 },
      65534,
      2002,
    ],
  ] as const)
    test(title, async () => {
      const securityContext = { runAsUser: 1001, runAsGroup: 2002 };
      const log = await output(name, 'id', { securityContext: own }, { securityContext });
      assert.match(log, new RegExp(`^uid=${uid}\\S* gid=${gid}\\b`));
    });

  test('[sig-node] Security Context when creating containers with AllowPrivilegeEscalation should not allow privilege escalation when false [LinuxOnly] [NodeConformance]', async () => {
    // A program that becomes root by its mode, if it may.
    const mounts = ['lib', 'lib64', 'work'].map(name => ({ name, mountPath: `/${name}` }));
    const spec = {
      volumes: [
        ...['lib', 'lib64'].map(name => ({ name, hostPath: { path: `/${name}` } })),
        { name: 'usr-bin', hostPath: { path: '/usr/bin' } },
        { name: 'work', emptyDir: {} },
      ],
      initContainers: [
        {
          name: 'make',
          image: c().image,
          command: sh('cp /from/id /work/id; chmod 4755 /work/id'),
          volumeMounts: [...mounts, { name: 'usr-bin', mountPath: '/from' }],
        },
      ],
    };
    const run = (name: string, allowPrivilegeEscalation: boolean) =>
      output(
        name,
        '/work/id',
        { volumeMounts: mounts, securityContext: { runAsUser: 1000, allowPrivilegeEscalation } },
        spec,
      );
    const [held, let_] = await Promise.all([run('escalation-false', false), run('escalation-true', true)]);
    assert.match(held, /^uid=1000\b(?!.*euid)/);
    assert.match(let_, /^uid=1000\b.*euid=0\b/);
  });

  // ---- subpaths by expression ----

  const work = { volumes: [{ name: 'workdir1', emptyDir: {} }] };
  const at = (mountPath: string, subPathExpr?: string) => ({
    name: 'workdir1',
    mountPath,
    ...(subPathExpr ? { subPathExpr } : {}),
  });
  const podName = { name: 'POD_NAME', value: 'foo' };
  const annotated = { name: 'ANNOTATION', valueFrom: { fieldRef: { fieldPath: "metadata.annotations['mysubpath']" } } };

  test('[sig-node] Variable Expansion should allow substituting values in a volume subpath', async () => {
    const volumeMounts = [at('/logscontainer', '$(POD_NAME)'), at('/testcontainer')];
    await output('subpath', 'test -d /testcontainer/foo', { env: [podName], volumeMounts }, work);
  });

  for (const [title, name, value] of [
    [
      '[sig-node] Variable Expansion should fail substituting values in a volume subpath with backticks',
      'subpath-backticks',
      '..',
    ],
    [
      '[sig-node] Variable Expansion should fail substituting values in a volume subpath with absolute path',
      'subpath-absolute',
      '/tmp',
    ],
  ] as const)
    test(title, async () => {
      const volumeMounts = [at('/logscontainer', '$(POD_NAME)')];
      await c().pod(name, { ...work, containers: [{ ...idle, env: [{ name: 'POD_NAME', value }], volumeMounts }] });
      const pod = await c().when(name, 'held up', p => p.status?.containerStatuses?.[0]?.state?.waiting?.message);
      assert.equal(pod.status?.phase, 'Pending');
      assert.equal(pod.status?.containerStatuses?.[0]?.state?.waiting?.reason, 'CreateContainerConfigError');
    });

  test('[sig-node] Variable Expansion should verify that a failing subpath expansion can be modified during the lifecycle of a container [Slow]', async () => {
    const volumeMounts = [at('/subpath_mount', '$(ANNOTATION)/$(POD_NAME)'), at('/volume_mount')];
    const containers = [{ ...idle, env: [podName, annotated], volumeMounts }];
    const annotations = { notmysubpath: 'mypath' };
    await c().pod('subpath-modified', { restartPolicy: 'Always', ...work, containers }, { annotations });
    await c().when(
      'subpath-modified',
      'held up',
      p => p.status?.containerStatuses?.[0]?.state?.waiting?.reason === 'CreateContainerConfigError',
    );
    await c().patch('pods', 'subpath-modified', { metadata: { annotations: { mysubpath: 'mypath' } } });
    await c().ready('subpath-modified');
    await c().delete('pods', 'subpath-modified');
    await c().gone('subpath-modified');
  });

  test('[sig-node] Variable Expansion should succeed in writing subpaths in container', async () => {
    const volumeMounts = [at('/subpath_mount', '$(ANNOTATION)/$(POD_NAME)'), at('/volume_mount')];
    const containers = [{ ...idle, env: [podName, annotated], volumeMounts }];
    const annotations = { mysubpath: 'mypath' };
    await c().pod('subpath-written', { restartPolicy: 'Always', ...work, containers }, { annotations });
    await c().ready('subpath-written');
    await c().exec('subpath-written', 'touch /volume_mount/mypath/foo/test.log');
    await c().exec('subpath-written', 'test -f /subpath_mount/test.log');
    // What is running keeps its path.
    await c().patch('pods', 'subpath-written', { metadata: { annotations: { mysubpath: 'mynewpath' } } });
    await c().exec('subpath-written', 'test -f /subpath_mount/test.log');
    assert.equal((await c().get('subpath-written')).status?.containerStatuses?.[0]?.restartCount, 0);
    await c().delete('pods', 'subpath-written');
    await c().gone('subpath-written');
  });

  test('[sig-node] ImageVolume should succeed with pod and pull policy of Always [LinuxOnly] [MinimumKubeletVersion:1.35]', async () => {
    // No registry here to pull from again.
    const image = { reference: c().image, pullPolicy: 'IfNotPresent' };
    const volumeMounts = [
      { name: 'volume', mountPath: '/volume' },
      { name: 'volume', mountPath: '/part', subPath: 'etc' },
    ];
    const script = 'cat /volume/etc/passwd /part/group; ls -d /volume/bin/busybox; echo x 2>&1 > /volume/new || true';
    const log = await output('image-volume', script, { volumeMounts }, { volumes: [{ name: 'volume', image }] });
    assert.match(log, /^root:x:0:0:root:\/:\/bin\/sh\nroot:x:0:\n\/volume\/bin\/busybox\n/);
    assert.match(log, /Read-only file system/);
  });
}
