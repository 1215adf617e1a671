// What a client can do at most: a bare TLS and HTTP/2 server that answers the requests of shared/apibench with bytes made
// once, and puts what is written durably into LMDB as it came. `node bench/client-limit.ts` prints a kubeconfig for it and
// runs until it is ended; then `apibench -kubeconfig FILE -only create,get,list,patch,apply,watch`.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createSecureServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import type { KubeObject } from '../src/api/meta.ts';
import { encodeProtobuf, encodeProtobufWatchEvent } from '../src/api/protobuf.ts';
import { lengthDelimited } from '../src/apiserver/registry/stored.ts';
import { systemClock } from '../src/base/clock.ts';
import { systemRandom } from '../src/base/random.ts';
import { kubeconfigText } from '../src/cluster/kubeconfig-file.ts';
import { ensurePki } from '../src/cluster/pki.ts';

const podType = 'io.k8s.api.core.v1.Pod';
const itemsOfList = 4300;
const chunkBytes = 64 << 10;

const base = mkdtempSync(join(tmpdir(), 'k8ts-client-limit-'));
const pki = await ensurePki(join(base, 'pki'), {
  clock: systemClock,
  random: systemRandom,
  serverNames: [],
  serverAddresses: [],
  serviceClusterIp: '10.96.0.1',
});
mkdirSync(join(base, 'store'));
const db = open<Buffer, Buffer>({
  path: join(base, 'store'),
  encoding: 'binary',
  keyEncoding: 'binary',
  pageSize: 8192,
  overlappingSync: false,
  mapSize: 2 ** 34,
});

const meta = {
  uid: '00000000-0000-0000-0000-000000000000',
  creationTimestamp: '2026-01-01T00:00:00Z',
  resourceVersion: '1000',
};

const tokenVolume = {
  name: 'kube-api-access-00000',
  projected: {
    sources: [
      { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
      { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
      {
        downwardAPI: {
          items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
        },
      },
    ],
    defaultMode: 420,
  },
};
const pod = encodeProtobuf(podType, podOf());
const list = Buffer.alloc(itemsOfList * pod.length, pod);
const others: Readonly<Record<string, Uint8Array>> = {
  namespaces: encodeProtobuf('io.k8s.api.core.v1.Namespace', objectOf('Namespace')),
  serviceaccounts: encodeProtobuf('io.k8s.api.core.v1.ServiceAccount', objectOf('ServiceAccount')),
  configmaps: encodeProtobuf('io.k8s.api.core.v1.ConfigMap', objectOf('ConfigMap')),
};

function objectOf(kind: string): KubeObject {
  return { apiVersion: 'v1', kind, metadata: { ...meta, name: 'default' } };
}

/** A pod of shared/apibench with what the API server adds. */
function podOf(): KubeObject {
  const env = Array.from({ length: 20 }, (_, i) => ({
    name: `SETTING_${String(i).padStart(2, '0')}`,
    value: 'v'.repeat(40),
  }));
  const fieldsV1 = {
    'f:spec': {
      'f:containers': {
        'k:{"name":"main"}': {
          'f:env': Object.fromEntries(
            env.map(e => [`k:{"name":"${e.name}"}`, { '.': {}, 'f:name': {}, 'f:value': {} }]),
          ),
        },
      },
    },
  };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...meta,
      name: 'p-1',
      namespace: 'default',
      labels: { app: 'bench', idx: 'p-1', tier: 'web' },
      managedFields: [{ manager: 'apibench', operation: 'Update', apiVersion: 'v1', fieldsType: 'FieldsV1', fieldsV1 }],
    },
    spec: {
      volumes: [tokenVolume],
      containers: [
        {
          name: 'main',
          image: 'registry.example/app:1.0',
          env,
          resources: { requests: { cpu: '100m', memory: '64Mi' } },
          volumeMounts: [
            {
              name: tokenVolume.name,
              readOnly: true,
              mountPath: '/var/run/secrets/kubernetes.io/serviceaccount',
            },
          ],
          terminationMessagePath: '/dev/termination-log',
          terminationMessagePolicy: 'File',
          imagePullPolicy: 'IfNotPresent',
        },
      ],
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      dnsPolicy: 'ClusterFirst',
      serviceAccountName: 'default',
      schedulerName: 'nobody',
      tolerations: ['not-ready', 'unreachable'].map(why => ({
        key: `node.kubernetes.io/${why}`,
        operator: 'Exists',
        effect: 'NoExecute',
        tolerationSeconds: 300,
      })),
      priority: 0,
      enableServiceLinks: true,
      preemptionPolicy: 'PreemptLowerPriority',
    },
    status: { phase: 'Pending', qosClass: 'Burstable' },
  } as KubeObject;
}

let count = 0;

const watching = new Set<ServerHttp2Stream>();

async function serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
  const path = String(headers[':path']);
  const method = headers[':method'];
  if (method !== 'GET') {
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    await db.put(Buffer.from(`/registry/${count++}`), body);
    if (watching.size > 0 && method === 'POST') {
      const frame = lengthDelimited(encodeProtobufWatchEvent('ADDED', body));
      for (const watcher of watching) watcher.write(frame);
    }
  }
  if (path.includes('watch=true')) {
    stream.respond({ ':status': 200, 'content-type': 'application/vnd.kubernetes.protobuf;stream=watch' });
    watching.add(stream);
    stream.on('close', () => watching.delete(stream));
    return;
  }
  stream.respond({ ':status': method === 'POST' ? 201 : 200, 'content-type': 'application/vnd.kubernetes.protobuf' });
  if (/\/pods\?/.test(path) && method === 'GET') return writeList(stream);
  const resource = /\/(serviceaccounts|configmaps)\b/.exec(path)?.[1] ?? (/\/pods\b/.test(path) ? '' : 'namespaces');
  stream.end(others[resource] ?? pod);
}

async function writeList(stream: ServerHttp2Stream): Promise<void> {
  for (let at = 0; at < list.length; at += chunkBytes) {
    const ready = stream.write(list.subarray(at, at + chunkBytes));
    if (!ready) await new Promise<void>(resolve => stream.once('drain', () => resolve()));
  }
  stream.end();
}

const server = createSecureServer({
  cert: pki.apiserver.certificatePem,
  key: pki.apiserver.keyPem,
  settings: { maxConcurrentStreams: 1000, initialWindowSize: 1 << 20 },
});
server.on('session', session => session.setLocalWindowSize(64 << 20));
server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
  stream.on('error', () => {});
  serve(stream, headers).catch(() => stream.close());
});
server.listen(0, '127.0.0.1', () => {
  const file = join(base, 'kubeconfig');
  const text = kubeconfigText('client-limit', {
    server: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    certificateAuthority: pki.ca.certificatePem,
    clientCertificate: pki.admin.certificatePem,
    clientKey: pki.admin.keyPem,
  });
  writeFileSync(file, text, { mode: 0o600 });
  console.log(file);
});
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    rmSync(base, { recursive: true, force: true });
    process.exit();
  });
