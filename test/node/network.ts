// The network of pods and services: reaching each other, one service through all types, endpoints, ports of the host.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Service, ServiceList } from '../../src/api/type/core-v1.ts';
import type { EndpointSliceList } from '../../src/api/type/discovery-v1.ts';
import type { ClusterAccess } from '../cluster-access.ts';
import { eventually } from '../lab.ts';
import { installPeer, peer, peersOf } from './peers.ts';

export function networkTests(c: () => ClusterAccess): void {
  const { speak, client, service, dial, resolved, answers } = peersOf(c);
  before(() => installPeer(c()));

  // [sig-network] Networking Granular Checks: Pods should function for intra-pod communication: http [NodeConformance]
  // [sig-network] Networking Granular Checks: Pods should function for intra-pod communication: udp [NodeConformance]
  // [sig-network] Networking Granular Checks: Pods should function for node-pod communication: http [LinuxOnly] [NodeConformance]
  // [sig-network] Networking Granular Checks: Pods should function for node-pod communication: udp [LinuxOnly] [NodeConformance]
  test('pods to pods and nodes to pods, within and across nodes, TCP and UDP', async () => {
    await Promise.all([
      speak('to-1', 'node-1', 'to'),
      speak('to-2', 'node-2', 'to'),
      client('from-1', 'node-1'),
      speak('from-host', 'node-1', 'to', { hostNetwork: true }, [18080]),
    ]);
    const [one, two] = await Promise.all(['to-1', 'to-2', 'from-1', 'from-host'].map(n => c().ready(n)));
    for (const from of ['from-1', 'from-host:18080'])
      for (const to of [one!, two!]) {
        const name = to.metadata.name!;
        assert.deepEqual(await dial(from, `http://${to.status?.podIP}:8080/name`), [name]);
        await answers(from, `udp://${to.status?.podIP}:8081`, `udp ${name}`);
      }
    // A pod reaches the node it runs on, and the other one.
    for (const pod of [one!, two!])
      assert.deepEqual(await dial('from-1', `tcp://${pod.status?.hostIP}:10250`), ['open']);
  });

  test('a service of each type, one after the other: ports, endpoints, names', async () => {
    await Promise.all([
      speak('type-1', 'node-1', 'type', {}, [8080, 8090]),
      speak('type-2', 'node-2', 'type', {}, [8080, 8090]),
      client('type-client', 'node-1'),
    ]);
    const pods = await Promise.all(['type-1', 'type-2', 'type-client'].map(n => c().ready(n)));
    const made = await service('typed', { type: 'ExternalName', externalName: 'other.example.com' });
    assert.equal(made.spec?.clusterIP, undefined);
    const name = `typed.${c().namespace}.svc.cluster.local`;
    const named = (wanted: string) =>
      eventually(`CNAME ${wanted}`, async () => (await resolved('type-client', name, 'CNAME'))[0] === wanted);
    await named('other.example.com');
    const ports = [
      { name: 'http', port: 80, targetPort: 'http' },
      { name: 'other', port: 81, targetPort: 8090 },
      { name: 'udp', port: 80, protocol: 'UDP' as const, targetPort: 8081 },
    ];
    const cluster = await c().patch<Service>('services', 'typed', {
      spec: { type: 'ClusterIP', externalName: null, selector: { app: 'type' }, ports },
    });
    const both = ['type-1', 'type-2'];
    await answers('type-client', `http://${cluster.spec?.clusterIP}/name`, ...both);
    await answers('type-client', `http://typed:81/name`, ...both);
    await answers('type-client', `udp://${cluster.spec?.clusterIP}:80`, ...both.map(n => `udp ${n}`));
    // A pod of the service reaches itself through it.
    await answers('type-1', `http://typed/name`, ...both);
    const nodePort = await c().patch<Service>('services', 'typed', { spec: { type: 'NodePort' } });
    const port = nodePort.spec?.ports?.[0]?.nodePort;
    for (const pod of pods.slice(0, 2)) {
      await answers('type-client', `http://${pod.status?.hostIP}:${port}/name`, ...both);
      const udpPort = nodePort.spec?.ports?.[2]?.nodePort;
      await answers('type-client', `udp://${pod.status?.hostIP}:${udpPort}`, ...both.map(n => `udp ${n}`));
    }
    const external = await c().patch<Service>('services', 'typed', {
      spec: { type: 'ExternalName', externalName: 'elsewhere.example.com', clusterIP: null, clusterIPs: null },
    });
    assert.equal(external.spec?.clusterIP, undefined);
    await answers('type-client', `tcp://${pods[0]?.status?.hostIP}:${port}`, 'ECONNREFUSED');
    await named('elsewhere.example.com');
  });

  test('endpoints follow pods; made by hand; mirrored; of two slices', async () => {
    await Promise.all([speak('by-hand', 'node-2', 'by-hand'), client('hand-client', 'node-1')]);
    const [target] = await Promise.all([c().ready('by-hand'), c().ready('hand-client')]);
    const ip = target?.status?.podIP;
    const ports = [{ name: 'http', port: 80, targetPort: 8080 }];
    const slices = `/apis/discovery.k8s.io/v1/namespaces/${c().namespace}/endpointslices`;
    const slicesOf = async (name: string) =>
      (await c().ask('GET', `${slices}?labelSelector=kubernetes.io/service-name%3D${name}`)).items;
    await Promise.all(
      ['mirrored', 'sliced', 'selected', 'empty'].map(name =>
        service(name, {
          ports,
          ...(name === 'selected' || name === 'empty'
            ? { selector: { app: name === 'empty' ? 'nobody' : 'by-hand' } }
            : {}),
        }),
      ),
    );
    // By a selector.
    const [slice] = await eventually('a slice', async () => {
      const found = await slicesOf('selected');
      return found[0]?.endpoints?.length === 1 && found;
    });
    assert.deepEqual(
      [
        slice.endpoints[0].addresses,
        slice.endpoints[0].conditions.ready,
        slice.endpoints[0].nodeName,
        slice.ports[0].port,
      ],
      [[ip], true, 'node-2', 8080],
    );
    assert.equal(
      (await c().ask('GET', c().path('endpoints', 'selected'))).subsets[0].addresses[0].targetRef.name,
      'by-hand',
    );
    await answers('hand-client', 'http://selected/name', 'by-hand');
    const [none] = await eventually(
      'an empty slice',
      async () => (await slicesOf('empty')).length > 0 && slicesOf('empty'),
    );
    assert.ok(!none.endpoints?.length);
    assert.equal((await c().ask('GET', c().path('endpoints', 'empty'))).subsets, undefined);
    // Through Endpoints, which are mirrored.
    await c().create('endpoints', {
      metadata: { name: 'mirrored' },
      subsets: [{ addresses: [{ ip }], ports: [{ name: 'http', port: 8080 }] }],
    });
    await answers('hand-client', 'http://mirrored/name', 'by-hand');
    assert.equal(
      (await slicesOf('mirrored'))[0].metadata.labels['endpointslice.kubernetes.io/managed-by'],
      'endpointslicemirroring-controller.k8s.io',
    );
    await c().delete('endpoints', 'mirrored');
    await eventually('the mirror gone', async () => (await slicesOf('mirrored')).length === 0);
    // Through slices of someone's own, two of them, with one port each.
    const own = (name: string, port: object, address: string) =>
      c().ask('POST', slices, {
        metadata: { name, labels: { 'kubernetes.io/service-name': 'sliced' } },
        addressType: 'IPv4',
        endpoints: [{ addresses: [address], conditions: { ready: true } }],
        ports: [port],
      });
    await own('sliced-1', { name: 'http', port: 8080, protocol: 'TCP' }, ip!);
    await answers('hand-client', 'http://sliced/name', 'by-hand');
    await speak('by-hand-2', 'node-1', 'by-hand');
    const second = await c().ready('by-hand-2');
    await own('sliced-2', { name: 'http', port: 8080, protocol: 'TCP' }, second.status!.podIP!);
    await answers('hand-client', 'http://sliced/name', 'by-hand', 'by-hand-2');
    await answers('hand-client', 'http://selected/name', 'by-hand', 'by-hand-2');
    await c().delete('pods', 'by-hand-2');
    await eventually('one again', async () => (await slicesOf('selected'))[0].endpoints.length === 1);
    // Without endpoints a connection is refused at once.
    await answers('hand-client', 'tcp://empty:80', 'ECONNREFUSED');
  });

  // [sig-network] Service endpoints latency should not be very high
  test('endpoints are there soon after their service', async () => {
    await speak('latency', 'node-1', 'latency');
    await c().ready('latency');
    const slices = `/apis/discovery.k8s.io/v1/namespaces/${c().namespace}/endpointslices`;
    const times: number[] = [];
    for (let n = 0; n < 20; n++) {
      const began = performance.now();
      await service(`latency-${n}`, { selector: { app: 'latency' }, ports: [{ port: 80 }] });
      await eventually(
        'its slice',
        async () =>
          (await c().ask('GET', `${slices}?labelSelector=kubernetes.io/service-name%3Dlatency-${n}`)).items[0]
            ?.endpoints?.length === 1,
      );
      times.push(performance.now() - began);
    }
    const sorted = times.sort((a, b) => a - b);
    assert.ok(sorted[10]! < 2000, `median ${sorted[10]} ms`);
  });

  // [sig-network] HostPort validates that there is no conflict between pods with same hostPort but different hostIP and protocol [LinuxOnly]
  test('ports of the host: the same one for other addresses and protocols', async () => {
    await speak('port-client', 'node-2', 'client', { hostNetwork: true }, [18081]);
    const { hostIP = '' } = (await c().ready('port-client')).status!;
    const make = (name: string, port: object) => {
      const container = { ...peer(8080), ports: [{ hostPort: 54323, containerPort: 8080, ...port }] };
      return speak(name, 'node-2', 'port', { containers: [container] });
    };
    await make('port-1', { hostIP: '127.0.0.1' });
    await make('port-2', { hostIP });
    await make('port-3', { hostIP, protocol: 'UDP', containerPort: 8081 });
    await Promise.all(['port-1', 'port-2', 'port-3'].map(n => c().ready(n)));
    await answers('port-client:18081', 'http://127.0.0.1:54323/name', 'port-1');
    // The official suite comes from the node's own address here.
    assert.deepEqual(await dial('port-client:18081', 'http://127.0.0.1:54323/name', 1, hostIP), ['port-1']);
    await answers('port-client:18081', `http://${hostIP}:54323/name`, 'port-2');
    await answers('port-client:18081', `udp://${hostIP}:54323`, 'udp port-3');
    await make('port-again', { hostIP });
    const refused = await c().ended('port-again');
    assert.deepEqual(
      [refused.status?.reason, refused.status?.message],
      ['NodePorts', 'Pod was rejected: Predicate NodePorts failed'],
    );
  });

  // [sig-network] API Server should have Endpoints and EndpointSlices pointing to API Server
  // [sig-network] API Server should provide secure master service
  // [sig-network] Services should find a service from listing all namespaces
  test('the API server from a pod, by its name, with the pod’s token and certificate authority', async () => {
    await speak('api-client', 'node-2', 'client', { automountServiceAccountToken: true });
    await c().ready('api-client');
    const get = async (path: string) => (await dial('api-client', `https://kubernetes.default${path}`))[0];
    assert.match((await get('/version')) ?? '', /^200 [\s\S]*"gitVersion":\s*"v1\.36/);
    assert.match(
      (await get(c().path('pods'))) ?? '',
      /^403 .*User \\?"system:serviceaccount:node-test:default\\?" cannot list/,
    );
    const { items }: ServiceList = await c().ask('GET', '/api/v1/services');
    const found = items.filter(s => s.metadata.namespace === 'default' && s.metadata.name === 'kubernetes');
    assert.deepEqual(
      found.map(s => s.spec?.ports?.map(p => [p.name, p.port, p.protocol])),
      [[['https', 443, 'TCP']]],
    );
    const endpoints = await c().ask('GET', '/api/v1/namespaces/default/endpoints/kubernetes');
    const slices: EndpointSliceList = await c().ask(
      'GET',
      '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io/service-name%3Dkubernetes',
    );
    const pointsTo = slices.items.flatMap(s =>
      (s.endpoints ?? []).flatMap(e => e.addresses.map(a => [a, s.ports?.[0]])),
    );
    assert.deepEqual(
      pointsTo,
      endpoints.subsets[0].addresses.map((a: { ip: string }) => [a.ip, endpoints.subsets[0].ports[0]]),
    );
    assert.deepEqual([slices.items[0]?.addressType, slices.items[0]?.ports?.[0]?.name], ['IPv4', 'https']);
  });

  test('gRPC liveness: restarted when the service says it is ill, and only then', async () => {
    const grpc = { grpc: { port: 5000 }, periodSeconds: 1 };
    const probes = { livenessProbe: { ...grpc, failureThreshold: 2 }, startupProbe: { ...grpc, failureThreshold: 30 } };
    const make = (name: string) =>
      speak(name, 'node-1', 'grpc', { restartPolicy: 'Always', containers: [{ ...peer(8080), ...probes }] });
    await Promise.all([make('grpc-well'), make('grpc-ill')]);
    await Promise.all([c().ready('grpc-well'), c().ready('grpc-ill')]);
    await c().request('GET', `${c().path('pods', 'grpc-ill')}/proxy/sick`);
    await c().when('grpc-ill', 'restarted', p => p.status?.containerStatuses?.[0]?.restartCount === 1);
    assert.equal((await c().get('grpc-well')).status?.containerStatuses?.[0]?.restartCount, 0);
    const messages = (await c().events('grpc-ill')).map(e => e.message);
    assert.ok(
      messages.includes('Liveness probe failed: service unhealthy (responded with "NOT_SERVING")'),
      messages.join('\n'),
    );
  });
}
