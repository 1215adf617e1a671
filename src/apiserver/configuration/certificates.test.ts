// Certificates whose files change while the server runs.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as netConnect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { after, before, test } from 'node:test';
import { connect } from 'node:tls';
import { coreV1 } from '../../api/refs.ts';
import { systemClock, VirtualClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import { type CertificateAndKey, createCa, generateEcKey, issueCertificate } from '../../base/x509.ts';
import { caller } from '../test-caller.ts';
import { startTestServer, type TestServer } from '../test-server.ts';
import { Certificates } from './certificates.ts';

const making = { nowMs: systemClock.now(), random: systemRandom, days: 1 };
const folder = mkdtempSync(join(tmpdir(), 'k8ts-certificates-'));
const at = (name: string) => join(folder, name);
const write = (name: string, text: string) => writeFileSync(at(name), text, { mode: 0o600 });
const files = {
  clientCa: at('ca.crt'),
  frontProxyCa: at('proxy-ca.crt'),
  serving: { cert: at('tls.crt'), key: at('tls.key') },
};

let server: TestServer;
let ca: CertificateAndKey;
let serving: CertificateAndKey;
let user: CertificateAndKey;

before(async () => {
  server = await startTestServer({ certificateFiles: files });
  ca = await createCa({ commonName: 'another-ca', ...making });
  [serving, user] = await Promise.all([
    issueCertificate(ca, {
      subject: { commonName: 'kube-apiserver' },
      ipAddresses: ['127.0.0.1'],
      usages: 'server',
      ...making,
    }),
    issueCertificate(ca, {
      subject: { commonName: 'jane', organizations: ['system:masters'] },
      usages: 'client',
      ...making,
    }),
  ]);
});
after(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

const check = () => server.server.context.certificates.check();
const published = async () => {
  const key = { namespace: 'kube-system', name: 'extension-apiserver-authentication' };
  const client = server.server.client({ userAgent: 'test' });
  return (await client.get(coreV1.configmaps, key)).data!;
};

/** What a connection is shown, and the handshake as it was read: TLS 1.2 names in clear whose certificates are asked for. */
function shown(): Promise<{ fingerprint: string; handshake: string }> {
  return new Promise((resolve, reject) => {
    const raw = netConnect({ port: Number(new URL(server.url).port), host: '127.0.0.1' });
    let handshake = '';
    const tap = new Duplex({ read() {}, write: (chunk, _encoding, done) => void raw.write(chunk, done) });
    raw.on('data', chunk => {
      handshake += chunk.toString('latin1');
      tap.push(chunk);
    });
    const socket = connect({ socket: tap, rejectUnauthorized: false, maxVersion: 'TLSv1.2' });
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      const { fingerprint256: fingerprint } = socket.getPeerX509Certificate()!;
      resolve({ fingerprint, handshake });
      socket.destroy();
      raw.destroy();
    });
  });
}

const fingerprintOf = ({ certificatePem }: CertificateAndKey) => new X509Certificate(certificatePem).fingerprint256;

test('a client authority takes effect, on connections that are open, too', async () => {
  const old = await server.http();
  await old.list(coreV1.namespaces);
  const fresh = caller({ url: server.url, ca: server.ca, cert: user.certificatePem, key: user.keyPem });
  try {
    assert.equal((await fresh.send('GET', '/api/v1/namespaces')).code, 401);
    write('ca.crt', server.ca + ca.certificatePem);
    await check();
    assert.equal((await fresh.send('GET', '/api/v1/namespaces')).code, 200);
    await old.list(coreV1.namespaces);
    write('ca.crt', ca.certificatePem);
    await check();
    assert.equal((await fresh.send('GET', '/api/v1/namespaces')).code, 200);
    await assert.rejects(old.list(coreV1.namespaces), { code: 401 });
    write('ca.crt', 'nothing');
    await check();
    assert.equal((await fresh.send('GET', '/api/v1/namespaces')).code, 200);
  } finally {
    fresh.close();
  }
});

test('who aggregated servers are to believe is published: what was believed before, and what is new', async () => {
  assert.ok(!(await shown()).handshake.includes('proxies'));
  const data = await published();
  assert.deepEqual(data['client-ca-file']!.match(/-----BEGIN/g)?.length, 2);
  assert.ok(data['client-ca-file']!.includes(ca.certificatePem.trim()));
  assert.equal(data['requestheader-client-ca-file'], undefined);
  write('proxy-ca.crt', (await createCa({ commonName: 'proxies', ...making })).certificatePem);
  await check();
  assert.ok((await shown()).handshake.includes('proxies'), 'their certificates are asked for');
  for (let has = data; !has['requestheader-client-ca-file']; has = await published());
});

test('what the port shows is replaced once certificate and key belong together', async () => {
  const before = (await shown()).fingerprint;
  write('tls.crt', serving.certificatePem);
  write('tls.key', generateEcKey().keyPem);
  await check();
  assert.equal((await shown()).fingerprint, before);
  write('tls.key', serving.keyPem);
  await check();
  assert.equal((await shown()).fingerprint, fingerprintOf(serving));
});

test('files are looked at by themselves', async () => {
  const clock = new VirtualClock();
  write('kubelet.crt', serving.certificatePem);
  write('kubelet.key', serving.keyPem);
  const pair = { cert: at('kubelet.crt'), key: at('kubelet.key') };
  const certificates = new Certificates({
    values: {
      serving: { cert: '', key: '' },
      clientCa: '',
      kubeletClient: { cert: serving.certificatePem, key: serving.keyPem },
    },
    files: { kubeletClient: pair },
    clock,
    log: silentLog,
  });
  let changes = 0;
  certificates.onChange(() => changes++);
  await clock.advance(60_000);
  assert.equal(changes, 0);
  write('kubelet.crt', user.certificatePem);
  write('kubelet.key', user.keyPem);
  await clock.advance(10_000);
  assert.equal(changes, 1);
  assert.deepEqual(certificates.current.kubeletClient, { cert: user.certificatePem, key: user.keyPem });
  certificates.stop();
});
