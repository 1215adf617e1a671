// Services as the official suite tries them: endpoints that come and go, ports, protocols, changes of type, affinity.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { Endpoints, Pod, Service, ServiceSpec } from '../../src/api/type/core-v1.ts';
import type { EndpointSlice } from '../../src/api/type/discovery-v1.ts';
import type { ClusterAccess } from '../cluster-access.ts';
import { eventually } from '../lab.ts';
import { installPeer, peer, peersOf } from './peers.ts';

type Ports = Readonly<Record<string, readonly number[]>>;

const portsOfPods = (pairs: readonly (readonly [pod: string, port: number])[]): Ports =>
  Object.fromEntries([...Map.groupBy(pairs, p => p[0])].map(([name, own]) => [name, own.map(p => p[1]).sort()]));

export function serviceTests(c: () => ClusterAccess): void {
  const { speak, client, service, resolves, answers, onlyAnswer, nobodyAnswers, oneAnswers, ready } = peersOf(c);
  before(() => installPeer(c()));

  const slices = (rest: string) => `/apis/discovery.k8s.io/v1/namespaces/${c().namespace}/endpointslices${rest}`;
  const slicesOf = async (name: string): Promise<EndpointSlice[]> =>
    (await c().ask('GET', slices(`?labelSelector=kubernetes.io/service-name%3D${name}`))).items;
  /** The ports of each pod, by the service's slices and by its Endpoints. */
  const portsBySlice = async (name: string): Promise<Ports> =>
    portsOfPods(
      (await slicesOf(name)).flatMap(({ endpoints, ports }) =>
        (endpoints ?? []).flatMap(e => (ports ?? []).map(p => [e.targetRef!.name!, p.port!] as const)),
      ),
    );
  const portsByEndpoints = async (name: string): Promise<Ports> => {
    const { subsets = [] } = await c().ask<Endpoints>('GET', c().path('endpoints', name));
    return portsOfPods(
      subsets.flatMap(({ addresses, ports }) =>
        (addresses ?? []).flatMap(a => (ports ?? []).map(p => [a.targetRef!.name!, p.port] as const)),
      ),
    );
  };
  const endpointsAre = async (name: string, wanted: Ports) => {
    const seen: Ports[] = [];
    await eventually(`endpoints of ${name}`, async () => {
      seen.splice(0, 2, await portsBySlice(name), await portsByEndpoints(name));
      return seen.every(s => isDeepStrictEqual(s, wanted));
    }).catch(() => assert.deepEqual(seen, [wanted, wanted], name));
  };
  const update = async (name: string, change: (spec: any) => void): Promise<ServiceSpec> => {
    const read = await c().ask<any>('GET', c().path('services', name));
    change(read.spec);
    return (await c().ask<Service>('PUT', c().path('services', name), read)).spec!;
  };
  /** By name, by cluster address, and by every node's address when it has a port there. */
  const addressesOf = ({ metadata, spec }: Service, nodeIps: readonly string[]) =>
    spec!.ports!.flatMap(({ port, nodePort }) => [
      `http://${metadata.name}:${port}/name`,
      `http://${spec!.clusterIP}:${port}/name`,
      ...(nodePort ? nodeIps.map(ip => `http://${ip}:${nodePort}/name`) : []),
    ]);
  const nodeIps = async (): Promise<string[]> =>
    (await c().ask('GET', '/api/v1/nodes')).items.map(
      (n: any) => n.status.addresses.find((a: any) => a.type === 'InternalIP').address,
    );

  // [sig-network] Services should serve a basic endpoint from pods
  test('endpoints come and go with their pods', async () => {
    const made = await service('basic', { selector: { app: 'basic' }, ports: [{ port: 80, targetPort: 8080 }] });
    await Promise.all([
      endpointsAre('basic', {}),
      client('basic-client', 'node-1'),
      speak('basic-1', 'node-1', 'basic'),
    ]);
    await ready('basic-1', 'basic-client');
    const reach = async (...names: string[]) => {
      await endpointsAre('basic', Object.fromEntries(names.map(n => [n, [8080]])));
      await onlyAnswer('basic-client', 'http://basic/name', ...names);
      await onlyAnswer('basic-client', `http://${made.spec!.clusterIP}/name`, ...names);
    };
    await reach('basic-1');
    await speak('basic-2', 'node-2', 'basic');
    await ready('basic-2');
    await reach('basic-1', 'basic-2');
    await c().delete('pods', 'basic-1');
    await reach('basic-2');
    await c().delete('pods', 'basic-2');
    await endpointsAre('basic', {});
    await nobodyAnswers('basic-client', 'tcp://basic:80');
  });

  // [sig-network] Services should serve multiport endpoints from pods
  test('named ports, each served by another pod', async () => {
    const ports = ['one', 'two'].map((name, i) => ({ name, port: 80 + i, targetPort: name }));
    await service('multi', { selector: { app: 'multi' }, ports });
    await endpointsAre('multi', {});
    const withPort = (name: string, containerPort: number) => {
      const container = { ...peer(containerPort), ports: [{ name, containerPort }] };
      return speak(`multi-${name}`, 'node-2', 'multi', { containers: [container] });
    };
    await Promise.all([withPort('one', 100), client('multi-client', 'node-1')]);
    await ready('multi-one', 'multi-client');
    await endpointsAre('multi', { 'multi-one': [100] });
    await withPort('two', 101);
    await ready('multi-two');
    await endpointsAre('multi', { 'multi-one': [100], 'multi-two': [101] });
    await onlyAnswer('multi-client', 'http://multi:80/name', 'multi-one');
    await onlyAnswer('multi-client', 'http://multi:81/name', 'multi-two');
    await c().delete('pods', 'multi-one');
    await endpointsAre('multi', { 'multi-two': [101] });
    await nobodyAnswers('multi-client', 'tcp://multi:80');
    await onlyAnswer('multi-client', 'http://multi:81/name', 'multi-two');
    await c().delete('pods', 'multi-two');
    await endpointsAre('multi', {});
  });

  // [sig-network] Services should serve endpoints on same port and different protocols
  test('one port number, TCP and UDP, together and alone', async () => {
    const tcp = { name: 'tcp-port', port: 80, protocol: 'TCP' as const, targetPort: 8080 };
    const udp = { name: 'udp-port', port: 80, protocol: 'UDP' as const, targetPort: 8080 };
    const container = { ...peer(8080), command: [...peer(8080).command!, 'udp:8080'] };
    const made = await service('protocols', { selector: { app: 'protocols' }, ports: [tcp, udp] });
    await Promise.all([
      speak('protocols-1', 'node-2', 'protocols', { containers: [container] }),
      client('protocols-client', 'node-1'),
    ]);
    await ready('protocols-1', 'protocols-client');
    const portsAre = (...wanted: string[]) =>
      eventually(`ports ${wanted}`, async () => {
        const found = await slicesOf('protocols');
        const list = found.flatMap(s => s.ports!.map(p => `${p.name} ${p.port}/${p.protocol} ${s.endpoints?.length}`));
        return isDeepStrictEqual(list.sort(), wanted);
      });
    const [tcpPort, udpPort] = ['tcp-port 8080/TCP 1', 'udp-port 8080/UDP 1'] as const;
    const asks = { tcp: `http://${made.spec!.clusterIP}/name`, udp: `udp://${made.spec!.clusterIP}:80` };
    await portsAre(tcpPort, udpPort);
    await onlyAnswer('protocols-client', asks.tcp, 'protocols-1');
    await answers('protocols-client', asks.udp, 'udp protocols-1');
    await update('protocols', spec => (spec.ports = [tcp]));
    await portsAre(tcpPort);
    await onlyAnswer('protocols-client', asks.tcp, 'protocols-1');
    await nobodyAnswers('protocols-client', asks.udp);
    await update('protocols', spec => (spec.ports = [udp]));
    await portsAre(udpPort);
    await answers('protocols-client', asks.udp, 'udp protocols-1');
    await nobodyAnswers('protocols-client', `tcp://${made.spec!.clusterIP}:80`);
  });

  const both = ['types-1', 'types-2'];
  const selector = { app: 'types' };
  const ports = [{ name: 'http', port: 80, protocol: 'TCP' as const, targetPort: 8080 }];
  let typePods: Promise<unknown> | undefined;
  /** Two servers and a client on each node, made by the first test that needs them. */
  const withTypePods = () =>
    (typePods ??= Promise.all([
      ...both.map((name, i) => speak(name, `node-${i + 1}`, 'types')),
      client('types-client', 'node-1'),
      client('types-client-2', 'node-2'),
    ]).then(() => ready(...both, 'types-client', 'types-client-2')));

  // [sig-network] Services should be able to create a functioning NodePort service
  // [sig-network] Services should be able to change the type from ExternalName to NodePort
  test('a node port is served by every node, to pods on every node', async () => {
    await withTypePods();
    await service('to-node-port', { type: 'ExternalName', externalName: 'example.com' });
    await update('to-node-port', spec => {
      delete spec.externalName;
      Object.assign(spec, { type: 'NodePort', ports, selector });
    });
    const ips = await nodeIps();
    await service('node-port', { type: 'NodePort', selector, ports });
    for (const name of ['node-port', 'to-node-port']) {
      const made: Service = await c().ask('GET', c().path('services', name));
      const addresses = addressesOf(made, ips);
      assert.equal(addresses.length, 4);
      for (const from of ['types-client', 'types-client-2'])
        await Promise.all(addresses.map(to => onlyAnswer(from, to, ...both)));
    }
  });

  // [sig-network] Services should be able to change the type from ExternalName to ClusterIP
  // [sig-network] Services should be able to change the type from ClusterIP to ExternalName
  // [sig-network] Services should be able to change the type from NodePort to ExternalName
  test('to a cluster address and back to a name, which takes addresses and node ports away', async () => {
    await withTypePods();
    await service('to-cluster-ip', { type: 'ExternalName', externalName: 'example.com' });
    await update('to-cluster-ip', spec => {
      delete spec.externalName;
      Object.assign(spec, { type: 'ClusterIP', ports, selector });
    });
    const made: Service = await c().ask('GET', c().path('services', 'to-cluster-ip'));
    for (const to of addressesOf(made, [])) await onlyAnswer('types-client', to, ...both);
    const domain = `${c().namespace}.svc.cluster.local`;
    const target = await service('external-target', { selector, ports });
    for (const [name, type] of [
      ['was-cluster-ip', 'ClusterIP'],
      ['was-node-port', 'NodePort'],
    ] as const) {
      await service(name, { type, selector, ports });
      // The client that reads, changes and writes leaves in what it does not know of.
      const spec = await update(name, s =>
        Object.assign(s, { type: 'ExternalName', externalName: `external-target.${domain}` }),
      );
      assert.deepEqual([spec.clusterIP, spec.clusterIPs, spec.ports?.[0]?.nodePort], [undefined, undefined, undefined]);
      await resolves('types-client', `${name}.${domain}`, 'CNAME', [`external-target.${domain}`]);
      await resolves('types-client', `${name}.${domain}`, 'A', [target.spec!.clusterIP]);
    }
  });

  // [sig-network] Services should have session affinity work for service with type clusterIP [LinuxOnly]
  // [sig-network] Services should have session affinity work for NodePort service [LinuxOnly]
  // [sig-network] Services should be able to switch session affinity for service with type clusterIP [LinuxOnly]
  // [sig-network] Services should be able to switch session affinity for NodePort service [LinuxOnly]
  for (const type of ['ClusterIP', 'NodePort'] as const)
    test(`affinity of a ${type} service, there from the beginning and switched`, async () => {
      await withTypePods();
      const [name = '', from] = [`affine-${type.toLowerCase()}`, 'types-client'];
      const made = await service(name, { type, sessionAffinity: 'ClientIP', selector, ports });
      assert.equal(made.spec?.sessionAffinityConfig?.clientIP?.timeoutSeconds, 10800);
      const addresses = addressesOf(made, await nodeIps());
      for (const to of addresses) await oneAnswers(from, to);
      await update(name, spec => (spec.sessionAffinity = 'None'));
      for (const to of addresses) await onlyAnswer(from, to, ...both);
      await update(name, spec => (spec.sessionAffinity = 'ClientIP'));
      for (const to of addresses) await oneAnswers(from, to);
    });

  const ownSlice = (of: string, name: string, pod: Pod, ports: object[]) =>
    c().ask('POST', slices(''), {
      metadata: {
        name,
        labels: { 'kubernetes.io/service-name': of, 'endpointslice.kubernetes.io/managed-by': 'e2e-test.k8s.io' },
      },
      addressType: 'IPv4',
      endpoints: [{ addresses: [pod.status!.podIP] }],
      ports: ports.map(p => ({ protocol: 'TCP', ...p })),
    });
  const twoPorts = [
    { name: 'first', port: 80 },
    { name: 'second', port: 81 },
  ];

  // [sig-network] EndpointSlice should support a Service with multiple ports specified in multiple EndpointSlices
  test('one pod, its two ports in two slices of someone’s own', async () => {
    await withTypePods();
    await service('own-ports', { ports: twoPorts });
    await speak('own-0', 'node-2', 'own', {}, [8080, 8090]);
    const [pod] = await ready('own-0');
    await ownSlice('own-ports', 'own-ports-1', pod!, [{ name: 'first', port: 8080 }]);
    await ownSlice('own-ports', 'own-ports-2', pod!, [{ name: 'second', port: 8090 }]);
    await onlyAnswer('types-client', 'http://own-ports:80/name', 'own-0');
    await onlyAnswer('types-client', 'http://own-ports:81/name', 'own-0');
  });

  // [sig-network] EndpointSlice should support a Service with multiple endpoint IPs specified in multiple EndpointSlices
  test('two pods that serve on different ports, in two slices of someone’s own', async () => {
    await withTypePods();
    await service('own-pods', { ports: twoPorts });
    await Promise.all([
      speak('own-1', 'node-1', 'own', {}, [8080, 8090]),
      speak('own-2', 'node-2', 'own', {}, [8081, 8091]),
    ]);
    const [one, two] = await ready('own-1', 'own-2');
    const portsAt = (first: number, second: number) => [
      { name: 'first', port: first },
      { name: 'second', port: second },
    ];
    await ownSlice('own-pods', 'own-pods-1', one!, portsAt(8080, 8090));
    await ownSlice('own-pods', 'own-pods-2', two!, portsAt(8081, 8091));
    for (const port of [80, 81]) await onlyAnswer('types-client', `http://own-pods:${port}/name`, 'own-1', 'own-2');
    // Their owner is whoever made them: the controllers leave them alone.
    assert.equal((await slicesOf('own-pods')).length, 2);
  });
}
