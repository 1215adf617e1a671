// What a pod's sandbox is: its names, resolv.conf, namespaces, runtime class, and how its status tells of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClusterAccess, conditionOf, sh, waiting } from '../cluster-access.ts';
import { eventually } from '../lab.ts';
import { userImage } from './containers.ts';
import { securedOutput } from './output.ts';

export function sandboxTests(c: () => ClusterAccess): void {
  const output = securedOutput(c);

  // [sig-node] Kubelet when scheduling an agnhost Pod with hostAliases should write entries to /etc/hosts [NodeConformance]
  test('names: hostname, subdomain, the full name, aliases; /etc/hosts kept by the kubelet or by the pod', async () => {
    const hosts = 'hostname; cat /etc/hosts';
    const alias = {
      hostAliases: [
        { ip: '123.45.67.89', hostnames: ['foo', 'bar'] },
        { ip: '10.1.2.3', hostnames: ['baz'] },
      ],
    };
    const [plain, named, full, host] = await Promise.all([
      output('hosts-plain', hosts, {}, alias),
      output('hosts-named', hosts, {}, { hostname: 'box', subdomain: 'sub' }),
      output('hosts-full', 'hostname', {}, { hostname: 'box', subdomain: 'sub', setHostnameAsFQDN: true }),
      output('hosts-host', 'cat /etc/hosts', {}, { hostNetwork: true, ...alias }),
    ]);
    const ip = async (name: string) => (await c().get(name)).status?.podIP;
    assert.match(plain, /^hosts-plain\n# Kubernetes-managed hosts file\.\n127\.0\.0\.1\tlocalhost\n/);
    assert.match(plain, new RegExp(`^${await ip('hosts-plain')}\thosts-plain$`, 'm'));
    assert.match(plain, /\n\n# Entries added by HostAliases\.\n123\.45\.67\.89\tfoo\tbar\n10\.1\.2\.3\tbaz\n$/);
    const name = `box.sub.${c().namespace}.svc.cluster.local`;
    assert.match(named, /^box\n/);
    assert.match(named, new RegExp(`^${await ip('hosts-named')}\t${name}\tbox$`, 'm'));
    assert.equal(full, `${name}\n`);
    assert.match(
      host,
      /^# Kubernetes-managed hosts file \(host network\)\.\n[\s\S]*\n# Entries added by HostAliases\.\n123\.45\.67\.89\tfoo\tbar\n/,
    );
    await c().pod('hosts-own', {
      volumes: [{ name: 'etc', configMap: { name: 'own-hosts' } }],
      containers: [
        {
          name: 'main',
          command: sh('cat /etc/hosts'),
          volumeMounts: [{ name: 'etc', mountPath: '/etc/hosts', subPath: 'hosts' }],
        },
        { name: 'managed', command: sh('head -1 /etc/hosts; echo "1.2.3.4 x" >> /etc/hosts && tail -1 /etc/hosts') },
      ],
    });
    await c().create('configmaps', { metadata: { name: 'own-hosts' }, data: { hosts: 'mine\n' } });
    await c().ended('hosts-own');
    assert.equal(await c().log('hosts-own', 'main'), 'mine\n');
    assert.equal(await c().log('hosts-own', 'managed'), '# Kubernetes-managed hosts file.\n1.2.3.4 x\n');
  });

  test('resolv.conf by policy', async () => {
    const read = 'cat /etc/resolv.conf';
    const custom = {
      nameservers: ['1.1.1.1'],
      searches: ['resolv.conf.local'],
      options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }],
    };
    const [first, none, host, added] = await Promise.all([
      output('dns-first', read),
      output('dns-none', read, {}, { dnsPolicy: 'None', dnsConfig: custom }),
      output('dns-default', read, {}, { dnsPolicy: 'Default' }),
      output('dns-added', read, {}, { dnsConfig: custom }),
    ]);
    const suffixes = `${c().namespace}.svc.cluster.local svc.cluster.local cluster.local`;
    assert.match(
      first,
      new RegExp(`^search ${suffixes.replaceAll('.', '\\.')}.*\\nnameserver 10\\.96\\.0\\.10\\noptions ndots:5\\n$`),
    );
    assert.equal(none, 'search resolv.conf.local\nnameserver 1.1.1.1\noptions ndots:2 edns0\n');
    assert.doesNotMatch(host, /10\.96\.0\.10/);
    assert.match(
      added,
      new RegExp(
        `search ${suffixes.replaceAll('.', '\\.')}.* resolv\\.conf\\.local\\nnameserver 10\\.96\\.0\\.10\\nnameserver 1\\.1\\.1\\.1\\noptions ndots:2 edns0\\n`,
      ),
    );
  });

  test('namespaces: processes shared or not, those of the host', async () => {
    const both = (name: string, spec: object, patience: number) =>
      c().pod(name, {
        ...spec,
        containers: [
          {
            name: 'main',
            command: sh(`for i in $(seq ${patience}); do ps | grep -q "sleep [8]" && break; sleep 0.1; done; ps`),
          },
          { name: 'other', command: sh('exec sleep 8') },
        ],
      });
    // On a busy machine the other container may start seconds later.
    await both('pid-shared', { shareProcessNamespace: true }, 300);
    await both('pid-own', {}, 40);
    await c().pod('pid-host', {
      hostPID: true,
      // Processes come and go while they are counted.
      containers: [{ name: 'main', command: sh('ls /proc 2>/dev/null | grep -c "^[0-9]"') }],
    });
    await Promise.all(
      ['pid-shared', 'pid-own', 'pid-host'].map(n =>
        c().when(n, 'done', p => p.status?.containerStatuses?.[0]?.state?.terminated),
      ),
    );
    assert.match(await c().log('pid-shared', 'main'), /^ +1 .*pause[\s\S]*sleep 8/m);
    assert.doesNotMatch(await c().log('pid-own', 'main'), /sleep 8/);
    assert.ok(Number(await c().log('pid-host')) > 6, 'more processes than a pod of its own has');
  });

  test('runtime classes: handlers, overhead, absent ones', async () => {
    const classes = '/apis/node.k8s.io/v1/runtimeclasses';
    await c().ask('POST', classes, {
      metadata: { name: 'real' },
      handler: 'runc',
      overhead: { podFixed: { cpu: '10m', memory: '1Mi' } },
    });
    await c().ask('POST', classes, { metadata: { name: 'unreal' }, handler: 'nobody' });
    assert.equal(await output('class-real', 'echo ok', {}, { runtimeClassName: 'real' }), 'ok\n');
    assert.deepEqual((await c().get('class-real')).spec.overhead, { cpu: '10m', memory: '1Mi' });
    await c().pod('class-unreal', { runtimeClassName: 'unreal', containers: [{ name: 'main', command: ['true'] }] });
    await eventually('FailedCreatePodSandBox', async () =>
      (await c().events('class-unreal')).find(
        e => e.reason === 'FailedCreatePodSandBox' && /nobody/.test(e.message ?? ''),
      ),
    );
    const absent = await c().request('POST', c().path('pods'), {
      metadata: { name: 'class-absent' },
      spec: { runtimeClassName: 'absent', containers: [{ name: 'main', image: c().image }] },
    });
    assert.equal(absent.code, 403);
    assert.match(absent.body.message, /pod rejected: RuntimeClass "absent" not found/);
    await c().delete('pods', 'class-unreal');
    for (const name of ['real', 'unreal']) await c().ask('DELETE', `${classes}/${name}`);
  });

  // [sig-node] Pods should get a host IP [NodeConformance]
  test('status: addresses, times, generation, class; what others patch stays', async () => {
    await c().pod('status', { restartPolicy: 'Always', containers: [{ name: 'main', command: sh(waiting) }] });
    const pod = await c().ready('status');
    const { status, metadata } = pod;
    assert.ok(status?.hostIP && status.podIP && status.startTime);
    assert.deepEqual([status.hostIPs, status.podIPs], [[{ ip: status.hostIP }], [{ ip: status.podIP }]]);
    assert.deepEqual([status.qosClass, metadata.generation, status.observedGeneration], ['BestEffort', 1, 1]);
    for (const type of ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled']) {
      const condition = conditionOf(pod, type);
      assert.deepEqual(
        [condition?.status, (condition as { observedGeneration?: number })?.observedGeneration],
        ['True', 1],
        type,
      );
    }
    await c().ask(
      'PATCH',
      `${c().path('pods', 'status')}/status`,
      { status: { conditions: [{ type: 'example.com/mine', status: 'True', reason: 'Why' }] } },
      'application/strategic-merge-patch+json',
    );
    await c().patch('pods', 'status', { spec: { containers: [{ name: 'main', image: userImage }] } }, 'strategic');
    const after = await c().when(
      'status',
      'with the new image',
      p => p.status?.containerStatuses?.[0]?.restartCount === 1 && p.status.containerStatuses[0].ready,
    );
    assert.equal(conditionOf(after, 'example.com/mine')?.reason, 'Why');
    assert.equal(after.status?.observedGeneration, 2);
    assert.match(after.status?.containerStatuses?.[0]?.image ?? '', /user:1$/);
    assert.ok(
      (await c().events('status')).some(
        e => e.reason === 'Killing' && e.message === 'Container main definition changed, will be restarted',
      ),
    );
    // A status that someone else has spoilt is put right.
    await c().ask(
      'PATCH',
      `${c().path('pods', 'status')}/status`,
      { status: { podIP: '1.2.3.4', podIPs: [{ ip: '1.2.3.4' }] } },
      'application/merge-patch+json',
    );
    await c().when('status', 'put right', p => p.status?.podIP === status.podIP);
  });
}
