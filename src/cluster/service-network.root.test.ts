// Services and names as pods see them, on a two-node cluster with real containers.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parse } from 'yaml';
import { mainScript } from '../../bin/entry.js';
import { coreV1, discoveryV1 } from '../api/refs.ts';
import type { Pod, Service } from '../api/type/core-v1.ts';
import type { EndpointSlice } from '../api/type/discovery-v1.ts';
import { systemClock } from '../base/clock.ts';
import { httpClient } from '../client/http-client.ts';
import { findProgram } from '../cri/command.ts';
import { hostArchitecture, ociArchive } from '../cri/oci-image.ts';

const name = `s${process.pid}`;
const home = mkdtempSync(join(tmpdir(), 'k8ts-home-'));
const { KUBECONFIG: _, K8TS_STATE_DIR: __, ...environment } = process.env;
const namespace = 'default';
let api: ReturnType<typeof httpClient>;

function k8ts(...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const main = mainScript();
    execFile(process.execPath, [main, ...args], { env: { ...environment, HOME: home } }, (error, stdout, stderr) =>
      error ? reject(new Error(`k8ts ${args.join(' ')}: ${stderr}`)) : resolve(stdout),
    );
  });
}

before(async () => {
  await k8ts('up', '--name', name, '--nodes', '2');
  const busybox = readFileSync(findProgram('busybox') ?? '/bin/busybox');
  const image = join(home, 'busybox.tar');
  const files = [
    { name: 'bin/' },
    { name: 'bin/busybox', content: busybox, mode: 0o755 },
    { name: 'bin/sh', content: busybox, mode: 0o755 },
    { name: 'etc/' },
    { name: 'www/' },
  ];
  const reference = 'docker.io/library/busybox:test';
  writeFileSync(image, ociArchive({ reference, architecture: hostArchitecture(), files, config: {} }));
  await k8ts('image', 'load', image, '--name', name);
  const { clusters, users } = parse(await k8ts('kubeconfig', '--name', name));
  const pem = (text: string) => Buffer.from(text, 'base64').toString();
  api = httpClient({
    server: clusters[0].cluster.server,
    ca: pem(clusters[0].cluster['certificate-authority-data']),
    cert: pem(users[0].user['client-certificate-data']),
    key: pem(users[0].user['client-key-data']),
  });
});

after(async () => {
  api?.close();
  await k8ts('down', '--name', name).catch(() => {});
  rmSync(home, { recursive: true, force: true });
});

async function eventually<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = systemClock.monotonic() + 30_000;
  for (let last: unknown; ; ) {
    try {
      const found = await look();
      if (found !== undefined) return found;
    } catch (error) {
      last = error;
    }
    if (systemClock.monotonic() > deadline) throw new Error(`waiting for ${what}: ${last}`);
    await systemClock.sleep(50);
  }
}

interface PodWish {
  readonly name: string;
  readonly nodeName: string;
  readonly script: string;
  readonly more?: object;
}

const create = ({ name, nodeName, script, more = {} }: PodWish) =>
  eventually(`pod ${name} to be accepted`, () =>
    api.create<Pod>(coreV1.pods, {
      metadata: { name, namespace, labels: { role: name.split('-')[0]! } },
      spec: {
        nodeName,
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: 0,
        containers: [
          { name: 'c', image: 'busybox:test', imagePullPolicy: 'Never', command: ['/bin/sh', '-c', script] },
        ],
        ...more,
      },
    }),
  );

/** What the script writes to its standard output, from a pod of its own. */
async function said(wish: PodWish): Promise<string> {
  await create({ ...wish, script: `{ ${wish.script}; } > /dev/termination-log 2>&1` });
  return eventually(`pod ${wish.name} to end`, async () => {
    const pod = await api.get<Pod>(coreV1.pods, { namespace, name: wish.name });
    const ended = pod.status?.containerStatuses?.[0]?.state?.terminated;
    return ended && (ended.message ?? '').trim();
  });
}

const serve = 'echo $HOSTNAME > /www/index.html; exec /bin/busybox httpd -f -p 8080 -h /www';
const fetchMany = (url: string) =>
  `for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do /bin/busybox wget -qO- ${url}; done | /bin/busybox sort -u`;
const lookUp = (name: string) => `/bin/busybox nslookup -type=a ${name} | /bin/busybox grep -A9 ^Name`;

test('pods and the host network reach services by name, on both nodes', async () => {
  await create({ name: 'web-1', nodeName: 'node-1', script: serve });
  await create({ name: 'web-2', nodeName: 'node-2', script: serve, more: { hostname: 'two', subdomain: 'all' } });
  const selector = { role: 'web' };
  const ports = [{ name: 'http', port: 80, targetPort: 8080, nodePort: 30080 }];
  await api.create(coreV1.services, {
    metadata: { name: 'web', namespace },
    spec: { type: 'NodePort', selector, ports },
  });
  await api.create(coreV1.services, { metadata: { name: 'all', namespace }, spec: { clusterIP: 'None', selector } });
  const ready = (service: string) =>
    eventually(`the endpoints of ${service}`, async () => {
      const labelSelector = `kubernetes.io/service-name=${service}`;
      const { items } = await api.list<EndpointSlice>(discoveryV1.endpointslices, { namespace, labelSelector });
      const endpoints = items.flatMap(s => s.endpoints ?? []).filter(e => e.conditions?.ready);
      return endpoints.length === 2 ? endpoints : undefined;
    });
  await Promise.all([ready('web'), ready('all')]);
  await api.create(coreV1.services, {
    metadata: { name: 'front', namespace },
    spec: { type: 'LoadBalancer', selector, ports: [{ port: 8088, targetPort: 8080 }] },
  });
  const front = await eventually('the addresses of the load balancer', async () => {
    const { status } = await api.get<Service>(coreV1.services, { namespace, name: 'front' });
    const ips = (status?.loadBalancer?.ingress ?? []).map(i => i.ip!);
    return ips.length === 2 ? ips : undefined;
  });
  const both = 'two\nweb-1';
  const hostNetwork = { hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' };
  const two = await api.get<Pod>(coreV1.pods, { namespace, name: 'web-2' });
  const node = two.status!.hostIP!;
  const asks = [
    said({ name: 'ask-1', nodeName: 'node-1', script: fetchMany('http://web/') }),
    said({ name: 'ask-2', nodeName: 'node-2', script: fetchMany('http://web.default.svc.cluster.local/') }),
    said({ name: 'ask-3', nodeName: 'node-1', script: fetchMany('http://web/'), more: hostNetwork }),
    ...front.map((ip, i) =>
      said({ name: `front-${i}`, nodeName: 'node-1', script: fetchMany(`http://${ip}:8088/`), more: hostNetwork }),
    ),
    said({ name: 'ask-4', nodeName: 'node-1', script: fetchMany(`http://${node}:30080/`) }),
  ];
  for (const answer of asks) assert.equal(await answer, both);
  const names = await said({ name: 'ask-5', nodeName: 'node-1', script: lookUp('two.all.default.svc.cluster.local') });
  assert.equal(names, `Name:\ttwo.all.default.svc.cluster.local\nAddress: ${two.status!.podIP}`);
});

test('a node asks its own name server, which knows nothing of the world outside', async () => {
  const slices = await api.list<EndpointSlice>(discoveryV1.endpointslices, {
    namespace: 'kube-system',
    labelSelector: 'kubernetes.io/service-name=kube-dns',
  });
  assert.deepEqual(
    slices.items
      .flatMap(s => s.endpoints ?? [])
      .map(e => [e.nodeName, e.hints?.forNodes?.[0]?.name])
      .sort(),
    [
      ['node-1', 'node-1'],
      ['node-2', 'node-2'],
    ],
  );
  const script = '/bin/busybox nslookup example.com';
  assert.match(await said({ name: 'ask-6', nodeName: 'node-2', script }), /can't find example\.com: SERVFAIL/);
});

test('the last endpoint gone, a service refuses', async () => {
  for (const pod of ['web-1', 'web-2']) await api.delete(coreV1.pods, { namespace, name: pod });
  await eventually('the endpoints to go', async () => {
    const labelSelector = 'kubernetes.io/service-name=web';
    const { items } = await api.list<EndpointSlice>(discoveryV1.endpointslices, { namespace, labelSelector });
    return items.every(s => !s.endpoints?.length) || undefined;
  });
  const script = '/bin/busybox wget -qO- http://web/';
  assert.match(await said({ name: 'ask-7', nodeName: 'node-2', script }), /Connection refused/);
});
