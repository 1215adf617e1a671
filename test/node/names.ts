// Names as the official suite asks for them: over UDP and TCP, whole and in part, and as the C library finds them.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Service } from '../../src/api/type/core-v1.ts';
import type { ClusterAccess } from '../cluster-access.ts';
import { eventually } from '../lab.ts';
import { installPeer, peersOf } from './peers.ts';

const reversed = (ip: string) => `${ip.split('.').reverse().join('.')}.in-addr.arpa`;

export function nameTests(c: () => ClusterAccess): void {
  const { speak, client, service, resolved, resolves, answers, ready } = peersOf(c);
  before(() => installPeer(c()));
  const ports = [{ name: 'http', port: 80, targetPort: 8080 }];
  const get = (from: string, what: string) => c().ask('GET', `${c().path('pods', from)}/proxy/${what}`);
  /** Found over both protocols; a name that starts with a port's is asked for its SRV. */
  const found = async (from: string, name: string, type = name.startsWith('_') ? 'SRV' : 'A') => {
    for (const tcp of [0, 1])
      await eventually(`${type} of ${name} over ${tcp ? 'TCP' : 'UDP'}`, async () => {
        const answer = await get(from, `dig?type=${type}&tcp=${tcp}&name=${name}`);
        return answer?.answers > 0 && !answer.truncated;
      });
  };
  /** What the C library makes of it, by /etc/hosts or the name server. */
  const host = (from: string, name: string): Promise<string> => get(from, `hosts?name=${name}`);

  // [sig-network] DNS should provide DNS for the cluster
  // [sig-network] DNS should support configurable pod DNS nameservers
  test('the cluster’s own name, and a pod that asks elsewhere', async () => {
    await Promise.all([
      client('dns-cluster', 'node-2'),
      speak('dns-custom', 'node-1', 'custom', {
        dnsPolicy: 'None',
        dnsConfig: {
          nameservers: ['192.0.2.53'],
          searches: ['resolv.conf.local'],
          options: [{ name: 'ndots', value: '2' }],
        },
      }),
    ]);
    await ready('dns-cluster', 'dns-custom');
    await found('dns-cluster', 'kubernetes.default.svc.cluster.local');
    await found('dns-cluster', 'kubernetes.default');
    assert.equal(await host('dns-cluster', 'dns-cluster'), (await c().get('dns-cluster')).status!.podIP);
    assert.equal(
      await c().exec('dns-custom', 'cat /etc/resolv.conf'),
      'search resolv.conf.local\nnameserver 192.0.2.53\noptions ndots:2\n',
    );
  });

  // [sig-network] DNS should provide DNS for services
  // [sig-network] DNS should resolve DNS of partial qualified names for services [LinuxOnly]
  test('services by whole and partial names, ports, addresses', async () => {
    const selector = { app: 'dns-services' };
    await service('dns-none', { clusterIP: 'None', selector, ports });
    const made = await service('dns-some', { selector, ports });
    await speak('dns-services', 'node-2', 'dns-services');
    await ready('dns-services');
    const { namespace } = c();
    for (const name of ['dns-none', 'dns-some'])
      for (const asked of [
        name,
        `${name}.${namespace}`,
        `${name}.${namespace}.svc`,
        `_http._tcp.${name}.${namespace}.svc`,
      ])
        await found('dns-services', asked);
    await found('dns-services', reversed(made.spec!.clusterIP!), 'PTR');
    assert.equal(await host('dns-services', 'dns-some'), made.spec!.clusterIP);
  });

  // [sig-network] DNS should provide /etc/hosts entries for the cluster
  // [sig-network] DNS should provide DNS for pods for Hostname
  // [sig-network] DNS should provide DNS for pods for Subdomain
  test('pods by hostname and subdomain, with a headless service and without', async () => {
    await service('dns-sub', { clusterIP: 'None', selector: { app: 'dns-sub' }, ports });
    await Promise.all([
      speak('dns-alone', 'node-1', 'dns-alone', { hostname: 'querier-1', subdomain: 'dns-absent' }),
      speak('dns-below', 'node-2', 'dns-sub', { hostname: 'querier-2', subdomain: 'dns-sub' }),
    ]);
    const [alone, below] = await ready('dns-alone', 'dns-below');
    const domain = `${c().namespace}.svc.cluster.local`;
    for (const [pod, full] of [
      [alone!, `querier-1.dns-absent.${domain}`],
      [below!, `querier-2.dns-sub.${domain}`],
    ] as const) {
      const name = pod.metadata.name!;
      for (const asked of [full, full.split('.')[0]!]) assert.equal(await host(name, asked), pod.status!.podIP);
    }
    await found('dns-alone', `querier-2.dns-sub.${domain}`);
    await found('dns-below', `querier-2.dns-sub.${c().namespace}.svc`);
    assert.equal(await resolved('dns-below', `querier-1.dns-absent.${domain}`), 'ENOTFOUND');
  });

  // [sig-network] DNS should provide DNS for ExternalName services
  test('an external name, another one, and an address in its place', async () => {
    await client('dns-extern', 'node-1');
    await ready('dns-extern');
    const name = `dns-changing.${c().namespace}.svc.cluster.local`;
    await service('dns-changing', { type: 'ExternalName', externalName: 'foo.example.com' });
    await resolves('dns-extern', name, 'CNAME', ['foo.example.com']);
    await c().patch('services', 'dns-changing', { spec: { externalName: 'bar.example.com' } });
    await resolves('dns-extern', name, 'CNAME', ['bar.example.com']);
    const { spec } = await c().patch<Service>('services', 'dns-changing', {
      spec: { type: 'ClusterIP', ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 80 }] },
    });
    await resolves('dns-extern', name, 'A', [spec!.clusterIP]);
    await found('dns-extern', name);
  });

  test('names: services, pods by hostname and subdomain, addresses, external names, partial names', async () => {
    const ports = [{ name: 'http', port: 80, targetPort: 8080 }];
    await service('dns-headless', { clusterIP: 'None', selector: { app: 'dns' }, ports });
    const made = await service('dns-normal', { selector: { app: 'dns' }, ports });
    await service('dns-external', {
      type: 'ExternalName',
      externalName: `dns-normal.${c().namespace}.svc.cluster.local`,
    });
    await speak('dns-pod', 'node-2', 'dns', { hostname: 'box', subdomain: 'dns-headless' });
    await client('dns-client', 'node-1');
    const [target] = await Promise.all(['dns-pod', 'dns-client'].map(n => c().ready(n)));
    const ip = target!.status!.podIP!;
    const clusterIP = made.spec!.clusterIP!;
    const domain = `${c().namespace}.svc.cluster.local`;
    const gives = (name: string, type: string, wanted: unknown) => resolves('dns-client', name, type, wanted);
    const target0 = { type: 'SRV', priority: 0, weight: 100 };
    await Promise.all([
      gives(`dns-normal.${domain}`, 'A', [clusterIP]),
      gives(`dns-headless.${domain}`, 'A', [ip]),
      gives(`box.dns-headless.${domain}`, 'A', [ip]),
      gives(`${ip.replaceAll('.', '-')}.${c().namespace}.pod.cluster.local`, 'A', [ip]),
      gives(`dns-external.${domain}`, 'CNAME', [`dns-normal.${domain}`]),
      gives(`dns-external.${domain}`, 'A', [clusterIP]),
      gives(`_http._tcp.dns-normal.${domain}`, 'SRV', [{ name: `dns-normal.${domain}`, port: 80, ...target0 }]),
      gives(`_http._tcp.dns-headless.${domain}`, 'SRV', [
        { name: `box.dns-headless.${domain}`, port: 8080, ...target0 },
      ]),
      gives(clusterIP, 'PTR', [`dns-normal.${domain}`]),
      eventually(`PTR of ${ip}`, async () =>
        (await resolved('dns-client', ip, 'PTR')).includes(`box.dns-headless.${domain}`),
      ),
      gives('kubernetes.default.svc.cluster.local', 'A', ['10.96.0.1']),
      gives(`absent.${domain}`, 'A', 'ENOTFOUND'),
      gives(`dns-normal.${domain}`, 'AAAA', 'ENODATA'),
    ]);
    // Search paths, and what is before the first dot.
    for (const name of [
      'dns-normal',
      `dns-normal.${c().namespace}`,
      `dns-normal.${c().namespace}.svc`,
      `dns-normal.${domain}`,
      'box.dns-headless:8080',
      'dns-external',
    ])
      await answers('dns-client', `http://${name}/name`, 'box');
    assert.match(await c().exec('dns-pod', 'cat /etc/hosts'), new RegExp(`box\\.dns-headless\\.${domain}`));
  });
}
