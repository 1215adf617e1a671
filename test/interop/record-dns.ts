// Asks CoreDNS, in front of an API server of k8ts, what is in the record of src/dns/kernel/testdata, and writes its
// answers down: `node bin/node26.js test/interop/record-dns.ts`. A new case is a line of the names below.
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { decode, encode, type RecordType } from 'dns-packet';
import { kubectlFor } from '../../src/apiserver/test-request.ts';
import { startTestServer } from '../../src/apiserver/test-server.ts';
import { systemClock } from '../../src/base/clock.ts';
import { freePort } from '../../src/base/test-free-port.ts';
import { run } from '../clients/control-plane.ts';
import { callerOf } from './cluster-content.ts';

const record = resolve(import.meta.dirname, '../../src/dns/kernel/testdata/coredns.json');
const types = ['A', 'AAAA', 'SRV', 'PTR', 'CNAME', 'TXT'] as const;

const service = (namespace: string, name: string, spec: object) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace },
  spec,
});
const slice = (namespace: string, of: string, name: string, more: object) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name, namespace, labels: { 'kubernetes.io/service-name': of } },
  addressType: 'IPv4',
  ...more,
});
const http = { name: 'http', port: 80, protocol: 'TCP' };
const endpoint = (address: string, hostname?: string, conditions?: object) => ({
  addresses: [address],
  ...(hostname ? { hostname } : {}),
  ...(conditions ? { conditions } : {}),
});
const external = (name: string, externalName: string) => service('d1', name, { type: 'ExternalName', externalName });
const ports = [http, { name: 'dns', port: 53, protocol: 'UDP' }, { name: 'dns-tcp', port: 53 }];
const objects = [
  service('d1', 'plain', { clusterIP: '10.96.0.21', ports }),
  slice('d1', 'plain', 'plain-1', { ports, endpoints: [endpoint('10.244.0.2'), endpoint('10.244.1.2')] }),
  service('d1', 'unnamed', { clusterIP: '10.96.0.22', ports: [{ port: 8080 }] }),
  service('d1', 'head', { clusterIP: 'None', ports: [http, { name: 'other', port: 81 }] }),
  slice('d1', 'head', 'head-1', {
    ports: [http, { name: 'other', port: 9000 }],
    endpoints: [endpoint('10.244.0.5', 'st-0'), endpoint('10.244.1.5', 'st-1'), endpoint('10.244.1.6')],
  }),
  service('d1', 'portless', { clusterIP: 'None' }),
  slice('d1', 'portless', 'portless-1', { ports: [], endpoints: [endpoint('10.244.0.5', 'st-0')] }),
  service('d1', 'nobody', { clusterIP: 'None', ports: [http] }),
  service('d1', 'waiting', { clusterIP: 'None', ports: [http] }),
  slice('d1', 'waiting', 'waiting-1', {
    ports: [http],
    endpoints: [
      endpoint('10.244.0.7', 'late', { ready: false }),
      endpoint('10.244.0.8', 'ending', { ready: false, serving: true, terminating: true }),
    ],
  }),
  external('ext', 'example.invalid'),
  external('inside', 'plain.d1.svc.cluster.local'),
  external('headless', 'head.d1.svc.cluster.local'),
  external('digits', '10.1.2.3'),
  service('d2', 'mixed', { clusterIP: 'None', ports: [http] }),
  slice('d2', 'mixed', 'mixed-1', {
    ports: [http, { port: 90, protocol: 'TCP', name: 'more' }, { port: 99, protocol: 'UDP', name: 'udp' }],
    endpoints: [endpoint('10.250.0.1', 'one'), endpoint('10.250.0.2'), endpoint('10.250.0.3', 'one')],
  }),
  slice('d2', 'mixed', 'mixed-2', {
    addressType: 'IPv6',
    ports: [http],
    endpoints: [endpoint('fd00::1', 'six'), endpoint('fd00::2')],
  }),
  slice('d2', 'orphan', 'orphan-1', { ports: [http], endpoints: [endpoint('10.250.9.1')] }),
];

const words = (text: string) => text.trim().split(/\s+/);
const services = words(`plain unnamed head portless nobody waiting ext inside headless digits nope _http._tcp.plain
  _dns._udp.plain _dns._tcp.plain _dns-tcp._tcp.plain _nope._tcp.plain _http._tcp.head _other._tcp.head _http._udp.head
  _http._tcp.portless _http._tcp.nobody _http._tcp.waiting _http._tcp.ext _http._tcp.headless _._tcp.unnamed
  _*._tcp.plain _http._*.plain *._tcp.plain *.plain * _tcp.plain _http.plain http.tcp.plain st-0.head st-1.head
  st-2.head 10-244-1-6.head 10-244-1-5.head _http._tcp.st-0.head st-0.portless late.waiting ending.waiting
  10-244-0-2.plain a.b.plain a.b.c.plain x.ext`);
const others =
  words(`mixed one.mixed six.mixed two.mixed 10-250-0-2.mixed fd00--2.mixed _http._tcp.mixed _udp._udp.mixed
  orphan 10-250-9-1.orphan`);
const pods = words(`d1 nope 1-2-3-4.d1 1-2-3-4.nope 1-2-3.d1 1-2-3-400.d1 fd00--1.d1 x.1-2-3-4.d1`);
const names = [
  ...services.map(name => `${name}.d1.svc.cluster.local`),
  ...others.map(name => `${name}.d2.svc.cluster.local`),
  ...pods.map(name => `${name}.pod.cluster.local`),
  ...words(`d1.svc.cluster.local nope.svc.cluster.local svc.cluster.local pod.cluster.local cluster.local
    Plain.D1.SVC.cluster.LOCAL nope.cluster.local dns.cluster.local dns-version.cluster.local x.dns-version.cluster.local
    21.0.96.10.in-addr.arpa 5.0.244.10.in-addr.arpa 2.0.250.10.in-addr.arpa 7.0.244.10.in-addr.arpa
    1.9.250.10.in-addr.arpa 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa`),
];

const home = await startTestServer();
const api = callerOf(home);
const kubectl = kubectlFor(home);
const folder = mkdtempSync(join(tmpdir(), 'k8ts-coredns-'));
const program = join(folder, 'coredns');
const ended = new AbortController();
try {
  const built = await run('go', ['build', '-o', program, '.'], {
    cwd: join(import.meta.dirname, 'dns'),
    timeoutMs: 900_000,
  });
  if (built.code !== 0) throw new Error(built.stderr);
  for (const name of ['d1', 'd2'])
    await api.expect(201, 'POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  for (const o of objects) {
    const group = o.apiVersion === 'v1' ? '/api/v1' : `/apis/${o.apiVersion}`;
    const resource = `${o.kind.toLowerCase()}s`;
    await api.expect(201, 'POST', `${group}/namespaces/${o.metadata.namespace}/${resource}`, o);
  }
  const [port, ready] = [await freePort(), await freePort()];
  const zones = 'cluster.local in-addr.arpa ip6.arpa';
  const plugin = `kubernetes ${zones} {\n kubeconfig ${kubectl.config} t\n pods insecure\n }`;
  writeFileSync(join(folder, 'Corefile'), `.:${port} {\n bind 127.0.0.1\n ready 127.0.0.1:${ready}\n ${plugin}\n}\n`);
  const child = spawn(program, ['-conf', join(folder, 'Corefile')], { stdio: 'inherit', signal: ended.signal });
  child.on('error', () => {});
  child.once('exit', code => {
    if (!ended.signal.aborted) process.exit(code ?? 1);
  });
  while (!(await fetch(`http://127.0.0.1:${ready}/ready`).catch(() => undefined))?.ok) await systemClock.sleep(100);
  const answers: string[] = [];
  for (const name of names)
    for (const type of types) answers.push(JSON.stringify([name, type, ...(await ask(port, name, type))]));
  const lines = objects.map(o => JSON.stringify(o));
  writeFileSync(record, `{ "objects": [\n${lines.join(',\n')}\n], "answers": [\n${answers.join(',\n')}\n] }\n`);
} finally {
  ended.abort();
  api.close();
  kubectl.cleanup();
  await home.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** The code, then each record of the answer, then each of the additional section behind a `+`, in the order of text. */
async function ask(port: number, name: string, type: RecordType): Promise<string[]> {
  const socket = createSocket('udp4');
  const opt = { type: 'OPT', name: '.', udpPayloadSize: 4096, flags: 0, options: [] } as const;
  socket.send(
    encode({ type: 'query', id: 1, questions: [{ type, name }], additionals: [opt as never] }),
    port,
    '127.0.0.1',
  );
  const [message] = await once(socket, 'message');
  socket.close();
  const reply = decode(message) as ReturnType<typeof decode> & { rcode: string };
  const text = (r: { name: string; type: string; data?: unknown }) => {
    const { port: number, target } = (r.data ?? {}) as { port?: number; target?: string };
    const data = r.type === 'SRV' ? `${number} ${target}` : [r.data].flat().map(String).join();
    return `${r.name} ${r.type} ${data}`;
  };
  const section = (list: readonly object[] = []) =>
    (list as { name: string; type: string }[]).filter(r => r.type !== 'OPT').map(text);
  return [
    reply.rcode,
    ...section(reply.answers).sort(),
    ...section(reply.additionals)
      .map(t => `+${t}`)
      .sort(),
  ];
}
