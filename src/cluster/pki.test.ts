import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { VirtualClock } from '../base/clock.ts';
import { seededRandom } from '../base/random.ts';
import { createCa, isSignedBy, issueCertificate, parseCertificate } from '../base/x509.ts';
import { ensurePki, type PkiOptions } from './pki.ts';

const dayMs = 86_400_000;
const startMs = Date.UTC(2026, 0, 1);

function setUp(t: TestContext) {
  const directory = join(mkdtempSync(join(tmpdir(), 'pki-')), 'pki');
  t.after(() => rmSync(join(directory, '..'), { recursive: true, force: true }));
  const at = (days: number, more: Partial<PkiOptions> = {}): PkiOptions => ({
    clock: new VirtualClock(startMs + days * dayMs),
    random: seededRandom(days + 1),
    serverNames: ['node-1'],
    serverAddresses: ['10.1.0.2', 'FD00::2'],
    serviceClusterIp: '10.96.0.1',
    ...more,
  });
  return { directory, at, file: (name: string) => join(directory, name) };
}

test('makes everything at the first start, private, and only loads it at the second', async t => {
  const { directory, at } = setUp(t);
  const pki = await ensurePki(directory, at(0));
  const names = readdirSync(directory).sort();
  const pairs = ['admin', 'apiserver', 'apiserver-kubelet-client', 'ca', 'front-proxy-ca', 'front-proxy-client'];
  assert.deepEqual(names, [...pairs.flatMap(p => [`${p}.crt`, `${p}.key`]), 'sa.key', 'sa.pub'].sort());
  assert.deepEqual([...pki.written].sort(), names);
  for (const n of names) assert.equal(statSync(join(directory, n)).mode & 0o777, 0o600, n);
  assert.equal(statSync(directory).mode & 0o777, 0o700);

  const server = parseCertificate(pki.apiserver.certificatePem);
  assert.deepEqual(server.dnsNames, [
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    'kubernetes.default.svc.cluster.local',
    'localhost',
    'node-1',
  ]);
  assert.deepEqual(server.ipAddresses, ['10.96.0.1', '127.0.0.1', '::1', '10.1.0.2', 'fd00::2']);
  const admin = parseCertificate(pki.admin.certificatePem);
  assert.deepEqual(admin.subject, { commonName: 'kubernetes-admin', organizations: ['system:masters'] });
  const front = parseCertificate(pki.frontProxyClient.certificatePem).certificate;
  assert.ok(isSignedBy(front, parseCertificate(pki.frontProxyCa.certificatePem).certificate));

  const again = await ensurePki(directory, at(1));
  assert.deepEqual(again.written, []);
  assert.deepEqual(again.apiserver, pki.apiserver);
  assert.equal(again.serviceAccountKeyPem, pki.serviceAccountKeyPem);
});

test('issues for nodes', async t => {
  const { directory, at } = setUp(t);
  const pki = await ensurePki(directory, at(0));
  const client = parseCertificate((await pki.issueNodeClient('n1')).certificatePem);
  assert.deepEqual(client.subject, { commonName: 'system:node:n1', organizations: ['system:nodes'] });
  const names = { dnsNames: ['n1'], ipAddresses: ['10.1.0.3'] };
  const serving = parseCertificate((await pki.issueNodeServing('n1', names)).certificatePem);
  assert.deepEqual([serving.dnsNames, serving.ipAddresses], [['n1'], ['10.1.0.3']]);
});

test('renews leaves near their end with the same key, and the CA without breaking what it issued', async t => {
  const { directory, at } = setUp(t);
  const pki = await ensurePki(directory, at(0));
  assert.deepEqual((await ensurePki(directory, at(280))).written, []);
  const renewed = await ensurePki(directory, at(300));
  assert.deepEqual([...renewed.written].sort(), [
    'admin.crt',
    'apiserver-kubelet-client.crt',
    'apiserver.crt',
    'front-proxy-client.crt',
  ]);
  assert.equal(renewed.admin.keyPem, pki.admin.keyPem);
  const later = await ensurePki(directory, at(3000));
  assert.ok(later.written.includes('ca.crt') && later.written.includes('front-proxy-ca.crt'));
  const old = parseCertificate(pki.admin.certificatePem).certificate;
  assert.ok(isSignedBy(old, parseCertificate(later.ca.certificatePem).certificate));
});

test('issues the serving certificate again for a new address', async t => {
  const { directory, at } = setUp(t);
  await ensurePki(directory, at(0));
  const pki = await ensurePki(directory, at(1, { serverAddresses: ['10.1.0.9'] }));
  assert.deepEqual(pki.written, ['apiserver.crt']);
});

test('completes what a crash left half done', async t => {
  const { directory, at, file } = setUp(t);
  const pki = await ensurePki(directory, at(0));
  unlinkSync(file('admin.crt'));
  unlinkSync(file('sa.pub'));
  const again = await ensurePki(directory, at(0));
  assert.deepEqual([...again.written].sort(), ['admin.crt', 'sa.pub']);
  assert.equal(again.admin.keyPem, pki.admin.keyPem);
  assert.equal(readFileSync(file('sa.pub'), 'utf8'), pki.serviceAccountPublicKeyPem);
  unlinkSync(file('admin.key'));
  const third = await ensurePki(directory, at(0));
  assert.deepEqual(third.written, ['admin.key', 'admin.crt']);
  assert.deepEqual((await ensurePki(directory, at(0))).written, []);
});

test('names a damaged, missing or mismatching file', async t => {
  const { directory, at, file } = setUp(t);
  const pki = await ensurePki(directory, at(0));
  const other = await createCa({ nowMs: startMs, random: seededRandom(9), days: 100, commonName: 'kubernetes' });
  const leaf = await issueCertificate(other, {
    nowMs: startMs,
    random: seededRandom(9),
    days: 100,
    subject: { commonName: 'kubernetes-admin' },
    usages: 'client',
    keyPem: pki.admin.keyPem,
  });
  const rsaKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  });
  const rsa = { nowMs: startMs, random: seededRandom(9), days: 100, commonName: 'x', keyPem: rsaKey as string };
  const { certificatePem: rsaCertificate } = await createCa(rsa);
  const cases: [string, string | undefined, RegExp][] = [
    ['ca.crt', 'nonsense', /load ".*\/ca\.crt": it is damaged \(error:.*\); put the right one back$/],
    ['ca.crt', pki.admin.certificatePem, /load ".*\/ca\.crt": does not belong to ca\.key/],
    ['ca.key', undefined, /load ".*\/ca\.key": missing, .*; put it back$/],
    ['ca.key', '', /load ".*\/ca\.key"/],
    ['apiserver.key', 'nonsense', /load ".*\/apiserver\.key"/],
    ['apiserver.crt', pki.apiserver.certificatePem.slice(0, 300), /load ".*\/apiserver\.crt"/],
    ['admin.crt', leaf.certificatePem, /load ".*\/admin\.crt": not signed by ca\.crt/],
    ['admin.crt', rsaCertificate, /load ".*\/admin\.crt": does not belong to admin\.key/],
    ['sa.key', other.keyPem, /load ".*\/sa\.key": an RSA key is needed, not ec; put the right one back$/],
    [
      'sa.key',
      undefined,
      /load ".*\/sa\.key": missing, .*; put it back, or remove sa\.pub: tokens given so far then end$/,
    ],
    ['sa.pub', pki.admin.certificatePem, /load ".*\/sa\.pub"/],
  ];
  for (const [name, text, message] of cases) {
    const before = readFileSync(file(name));
    if (text === undefined) unlinkSync(file(name));
    else writeFileSync(file(name), text);
    await assert.rejects(ensurePki(directory, at(0)), message, `${name}: ${text?.slice(0, 20)}`);
    writeFileSync(file(name), before);
  }
  assert.deepEqual((await ensurePki(directory, at(0))).written, []);
});
