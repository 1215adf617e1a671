// Security contexts: users and groups, privileges, sysctls.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClusterAccess, sh } from '../cluster-access.ts';
import { eventually } from '../lab.ts';
import { namedUserImage, userImage } from './containers.ts';
import { mount, securedOutput } from './output.ts';

export function securityTests(c: () => ClusterAccess): void {
  const output = securedOutput(c);
  const waitingOf = async (name: string) => {
    const pod = await c().when(name, 'held up', p => p.status?.containerStatuses?.[0]?.state?.waiting?.message);
    return pod.status?.containerStatuses?.[0]?.state?.waiting;
  };

  test('users and groups: of the container, of the pod, of the image', async () => {
    const ids = 'id -u; id -g; id -G';
    const [own, pod, image, named] = await Promise.all([
      output(
        'user-own',
        ids,
        { runAsUser: 1001, runAsGroup: 2002 },
        { securityContext: { runAsUser: 1, runAsGroup: 2, supplementalGroups: [3000, 4000] } },
      ),
      output('user-pod', ids, {}, { securityContext: { runAsUser: 65534, runAsGroup: 1002, fsGroup: 5000 } }),
      output('user-image', 'id -u', { runAsNonRoot: true }, {}, { image: userImage }),
      output('user-named', 'id -u; id -G', {}, {}, { image: namedUserImage }),
    ]);
    assert.equal(own, '1001\n2002\n2002 3000 4000\n');
    assert.equal(pod, '65534\n1002\n1002 5000\n');
    assert.equal(image, '1234\n');
    assert.match(named, /^1234\n1234( 50000)?\n$/);
    const status = (await c().get('user-own')).status?.containerStatuses?.[0];
    assert.equal(status?.state?.terminated?.exitCode, 0);
  });

  test('runAsNonRoot where root it would be, or may be', async () => {
    const make = (name: string, securityContext: object, image?: string) =>
      c().pod(name, {
        containers: [
          {
            name: 'main',
            command: ['true'],
            securityContext: { runAsNonRoot: true, ...securityContext },
            ...(image ? { image } : {}),
          },
        ],
      });
    await Promise.all([
      make('root-image', {}),
      make('root-user', { runAsUser: 0 }),
      make('root-name', {}, namedUserImage),
    ]);
    const messages = await Promise.all(['root-image', 'root-user', 'root-name'].map(waitingOf));
    for (const [i, text] of [
      /^container has runAsNonRoot and image will run as root \(pod: "root-image_.*, container: main\)$/,
      /^container's runAsUser breaks non-root policy \(pod: "root-user_.*, container: main\)$/,
      /^container has runAsNonRoot and image has non-numeric user \(someone\), cannot verify user is non-root \(pod: "root-name_.*, container: main\)$/,
    ].entries()) {
      assert.equal(messages[i]?.reason, 'CreateContainerConfigError');
      assert.match(messages[i]?.message ?? '', text);
    }
  });

  // [sig-node] Security Context When creating a pod with privileged should run the container as unprivileged when false [LinuxOnly] [NodeConformance]
  // [sig-node] Security Context When creating a pod with readOnlyRootFilesystem should run the container with writable rootfs when readOnlyRootFilesystem=false [NodeConformance]
  // [sig-node] Kubelet when scheduling a read only busybox container should not write to root filesystem [LinuxOnly] [NodeConformance]
  test('privileges, capabilities, escalation, seccomp, the root file system, /proc', async () => {
    const caps = "grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t' | tr '\\n' ' '; echo";
    const [plain, privileged, none, added, confined, readOnly, writable] = await Promise.all([
      output('cap-plain', `${caps}; (ip link add dummy1 type bridge && echo added) 2>&1`, { privileged: false }),
      output(
        'cap-privileged',
        `${caps}; ip link add dummy1 type bridge && echo added; echo 1 > /proc/sys/net/ipv4/ip_forward && echo written`,
        { privileged: true },
      ),
      output('cap-none', caps, { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] }, runAsUser: 1000 }),
      output('cap-added', `${caps}; ip link add dummy1 type bridge && echo added`, {
        capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] },
      }),
      output('cap-seccomp', caps, { seccompProfile: { type: 'RuntimeDefault' } }),
      // Standard output and error are two streams: their lines have no order between them.
      output('read-only', '(echo x > /file) 2>&1; echo y > /dev/termination-log && echo fine', {
        readOnlyRootFilesystem: true,
      }),
      output('read-write', 'echo x > /file && cat /file', { readOnlyRootFilesystem: false }),
    ]);
    assert.match(plain, /^CapEff:00000000a80425fb NoNewPrivs:0 Seccomp:0/);
    assert.match(plain, /Operation not permitted/);
    assert.doesNotMatch(plain, /added/);
    assert.match(privileged, /NoNewPrivs:0 Seccomp:0 \nadded\nwritten\n$/);
    assert.match(none, /^CapEff:0000000000000000 NoNewPrivs:1/);
    assert.match(added, /^CapEff:0000000000001000 NoNewPrivs:0[\s\S]*added/);
    assert.match(confined, /Seccomp:2/);
    assert.equal(readOnly, "sh: can't create /file: Read-only file system\nfine\n");
    assert.equal(writable, 'x\n');
  });

  test('users of a pod that are none of the machine, where the runtime can', async () => {
    const { items } = await c().ask('GET', '/api/v1/nodes');
    const handlers = items[0].status?.runtimeHandlers ?? [];
    const can = handlers.find((h: { name?: string }) => !h.name)?.features?.userNamespaces === true;
    const volumes = [
      { name: 'own', emptyDir: {} },
      { name: 'memory', emptyDir: { medium: 'Memory' } },
      { name: 'info', downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] } },
    ];
    const script = [
      'cat /proc/self/uid_map /proc/self/gid_map',
      'echo 1 > /own/file; echo 2 > /memory/file; chown 1000:1000 /own/file',
      "stat -L -c '%u %g' /own/file /memory/file /info/name; grep -c users- /etc/hosts",
      'cat /info/name; head -c 3 /var/run/secrets/kubernetes.io/serviceaccount/token; echo',
      'ip link add dummy1 type bridge && echo added',
      'echo done > /dev/termination-log',
    ].join('; ');
    const names = ['users-one', 'users-two'];
    for (const name of names)
      await c().pod(name, {
        hostUsers: false,
        automountServiceAccountToken: true,
        nodeName: items[0].metadata.name,
        volumes,
        containers: [
          {
            name: 'main',
            command: sh(script),
            securityContext: { capabilities: { add: ['NET_ADMIN'] } },
            volumeMounts: volumes.map(({ name }) => mount(name)),
          },
        ],
      });
    if (!can) {
      const told = await eventually('why users-one does not start', async () =>
        (await c().events('users-one')).find(e => e.reason === 'FailedCreatePodSandBox'),
      );
      const why = handlers.length
        ? /RuntimeClass handler "" does not support user namespaces$/
        : /runtime handlers are not set$/;
      assert.match(told.message ?? '', why);
      return;
    }
    const firstIds = await Promise.all(
      names.map(async name => {
        const { status } = await c().ended(name);
        const log = await c().log(name);
        const [users = '', groups, ...rest] = log.trimEnd().split('\n');
        const [inside, outside, length] = users.trim().split(/ +/).map(Number);
        assert.equal(groups, users);
        assert.deepEqual([inside, length], [0, 65_536]);
        assert.ok(outside! >= 65_536, users);
        assert.deepEqual(rest, ['1000 1000', '0 0', '0 0', '1', `${name}eyJ`, 'added']);
        assert.equal(status?.containerStatuses?.[0]?.state?.terminated?.message, 'done\n');
        return outside;
      }),
    );
    assert.notEqual(firstIds[0], firstIds[1]);
  });

  test("a pod's seccomp profile is its containers', not the sandbox's, which has one of its own", async () => {
    const pause = await output(
      'pause-seccomp',
      'grep ^Seccomp: /proc/1/status',
      {},
      {
        shareProcessNamespace: true,
      },
    );
    assert.equal(pause, 'Seccomp:\t2\n');
    await c().pod('seccomp-missing', {
      securityContext: { seccompProfile: { type: 'Localhost', localhostProfile: 'none.json' } },
      containers: [{ name: 'main', command: ['true'] }],
    });
    const waiting = await waitingOf('seccomp-missing');
    assert.equal(waiting?.reason, 'CreateContainerError');
    assert.match(waiting?.message ?? '', /kubelet\/seccomp\/none\.json: no such file or directory/);
    assert.ok((await c().get('seccomp-missing')).status?.podIP);
  });

  // [sig-node] Sysctls [LinuxOnly] [NodeConformance] should support sysctls [Environment:NotInUserNS]
  // [sig-node] Sysctls [LinuxOnly] [NodeConformance] should reject invalid sysctls
  test('sysctls: safe ones are set, others refused', async () => {
    const sysctls = (list: { name: string; value: string }[]) => ({ securityContext: { sysctls: list } });
    const log = await output(
      'sysctl',
      'cat /proc/sys/kernel/shm_rmid_forced /proc/sys/net/ipv4/ip_unprivileged_port_start',
      {},
      sysctls([
        { name: 'kernel.shm_rmid_forced', value: '1' },
        { name: 'net.ipv4.ip_unprivileged_port_start', value: '100' },
      ]),
    );
    assert.equal(log, '1\n100\n');
    await c().pod('sysctl-unsafe', {
      ...sysctls([{ name: 'kernel.msgmax', value: '10000000000' }]),
      containers: [{ name: 'main', command: ['true'] }],
    });
    const unsafe = await c().ended('sysctl-unsafe');
    assert.deepEqual(
      [unsafe.status?.phase, unsafe.status?.reason, unsafe.status?.message],
      ['Failed', 'SysctlForbidden', 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted'],
    );
    const invalid = await c().request('POST', c().path('pods'), {
      metadata: { name: 'sysctl-invalid' },
      spec: {
        ...sysctls([
          { name: 'foo-', value: 'bar' },
          { name: 'kernel.shmmax', value: '100000000' },
          { name: 'safe-and-unsafe', value: '100000000' },
          { name: 'bar..', value: '42' },
        ]),
        containers: [{ name: 'main', image: c().image }],
      },
    });
    assert.equal(invalid.code, 422);
    assert.match(invalid.body.message, /spec\.securityContext\.sysctls\[0\]\.name: Invalid value: "foo-"/);
    assert.match(invalid.body.message, /spec\.securityContext\.sysctls\[3\]\.name: Invalid value: "bar\.\."/);
    assert.doesNotMatch(invalid.body.message, /safe-and-unsafe|kernel\.shmmax/);
  });
}
