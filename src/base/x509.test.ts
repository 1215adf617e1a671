import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';
import { seededRandom, systemRandom } from './random.ts';
import {
  canonicalIp,
  clientAuthUsage,
  createCa,
  createCertificateRequest,
  generateEcKey,
  isKeyOf,
  isSignedBy,
  issueCertificate,
  parseCertificate,
  parseCertificateRequest,
  parseCertificates,
  publicKeyOf,
  serverAuthUsage,
  signCertificate,
} from './x509.ts';

const nowMs = Date.UTC(2026, 0, 1);
const making = { nowMs, random: seededRandom(1), days: 10 };

test('a CA signs itself and says it is one', async () => {
  const ca = await createCa({ ...making, commonName: 'kubernetes', days: 3650 });
  const c = parseCertificate(ca.certificatePem);
  assert.deepEqual(c.subject, { commonName: 'kubernetes', organizations: [] });
  assert.ok(c.isCa);
  assert.ok(isSignedBy(c.certificate, c.certificate));
  assert.ok(isKeyOf(ca.certificatePem, ca.keyPem));
  assert.equal(c.notBeforeMs, nowMs - 300_000);
  assert.equal(c.notAfterMs, nowMs + 3650 * 86_400_000);
  assert.match(ca.keyPem, /BEGIN EC PRIVATE KEY/);
});

test('an issued certificate carries subject, names and usages, and ends no later than its CA', async () => {
  const ca = await createCa({ ...making, commonName: 'kubernetes' });
  const leaf = await issueCertificate(ca, {
    ...making,
    days: 365,
    subject: { commonName: 'system:node:a', organizations: ['system:nodes', 'Zwei, Wörter "x"'] },
    dnsNames: ['a.example', '*.b.example'],
    ipAddresses: ['10.0.0.1', 'FD00:0:0::1'],
    usages: 'both',
  });
  const c = parseCertificate(leaf.certificatePem);
  assert.equal(c.subject.commonName, 'system:node:a');
  assert.deepEqual([...c.subject.organizations].sort(), ['Zwei, Wörter "x"', 'system:nodes']);
  assert.equal(c.issuer.commonName, 'kubernetes');
  assert.deepEqual(c.dnsNames, ['a.example', '*.b.example']);
  assert.deepEqual(c.ipAddresses, ['10.0.0.1', 'fd00::1']);
  assert.deepEqual(c.extendedKeyUsages, [serverAuthUsage, clientAuthUsage]);
  assert.equal(c.isCa, false);
  assert.equal(c.notAfterMs, parseCertificate(ca.certificatePem).notAfterMs);
  assert.equal(parseCertificates(leaf.certificatePem + ca.certificatePem).length, 2);
});

test('another CA of the same name did not sign it', async () => {
  const [a, b] = [await createCa({ ...making, commonName: 'same' }), await createCa({ ...making, commonName: 'same' })];
  const leaf = await issueCertificate(a, { ...making, subject: { commonName: 'x' }, usages: 'client' });
  const c = parseCertificate(leaf.certificatePem).certificate;
  assert.ok(isSignedBy(c, parseCertificate(a.certificatePem).certificate));
  assert.ok(!isSignedBy(c, parseCertificate(b.certificatePem).certificate));
});

test('a CA renewed with its key still vouches for what it issued', async () => {
  const ca = await createCa({ ...making, commonName: 'kubernetes' });
  const leaf = await issueCertificate(ca, { ...making, subject: { commonName: 'x' }, usages: 'client' });
  const later = await createCa({ ...making, nowMs: nowMs + 86_400_000, commonName: 'kubernetes', keyPem: ca.keyPem });
  assert.ok(
    isSignedBy(parseCertificate(leaf.certificatePem).certificate, parseCertificate(later.certificatePem).certificate),
  );
});

test('certificate requests: made, read, signed; a tampered one is refused', async () => {
  const { keyPem } = generateEcKey();
  const pem = await createCertificateRequest(
    keyPem,
    { commonName: 'system:node:b', organizations: ['system:nodes'] },
    { dnsNames: ['b'], ipAddresses: ['10.1.2.3'] },
  );
  const request = await parseCertificateRequest(pem);
  assert.deepEqual(request.subject, { commonName: 'system:node:b', organizations: ['system:nodes'] });
  assert.deepEqual([request.dnsNames, request.ipAddresses], [['b'], ['10.1.2.3']]);
  assert.equal(createPem(request.publicKeyPem), createPem(publicKeyOf(keyPem)));
  const ca = await createCa({ ...making, commonName: 'kubernetes' });
  const certificate = await signCertificate(ca, request.publicKeyPem, {
    ...making,
    subject: request.subject,
    usages: 'client',
  });
  assert.ok(isKeyOf(certificate, keyPem));
  const bytes = Buffer.from(createPem(pem), 'base64');
  bytes[bytes.length - 3]! ^= 1;
  const bad = `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
  await assert.rejects(parseCertificateRequest(bad));
});

const createPem = (pem: string) => pem.replace(/-----[^-]+-----|\s/g, '');

test('addresses in canonical form', () => {
  assert.equal(canonicalIp('FD00:0:0:0:0:0:0:1'), 'fd00::1');
  assert.equal(canonicalIp('10.0.0.1'), '10.0.0.1');
});

test('TLS accepts them both ways', async () => {
  const valid = { nowMs: Date.now(), random: systemRandom, days: 1 };
  const ca = await createCa({ ...valid, commonName: 'kubernetes' });
  const names = { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] };
  const server = await issueCertificate(ca, { ...valid, ...names, subject: { commonName: 's' }, usages: 'server' });
  const client = await issueCertificate(ca, {
    ...valid,
    subject: { commonName: 'kubernetes-admin', organizations: ['system:masters', 'b'] },
    usages: 'client',
  });
  const listener = tls.createServer({
    key: server.keyPem,
    cert: server.certificatePem,
    ca: ca.certificatePem,
    requestCert: true,
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const accepted = once(listener, 'secureConnection');
  const socket = tls.connect({
    port: (listener.address() as AddressInfo).port,
    host: '127.0.0.1',
    ca: ca.certificatePem,
    key: client.keyPem,
    cert: client.certificatePem,
  });
  await once(socket, 'secureConnect');
  const [peer] = (await accepted) as [tls.TLSSocket];
  assert.ok(socket.authorized && peer.authorized);
  const parsed = parseCertificate(peer.getPeerX509Certificate()!);
  assert.deepEqual(parsed.subject.organizations.toSorted(), ['b', 'system:masters']);
  socket.destroy();
  peer.destroy();
  listener.close();
});
