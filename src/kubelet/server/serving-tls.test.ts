import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { systemClock, VirtualClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import { createCa, issueCertificate } from '../../base/x509.ts';
import { ServingCertificates } from './serving-tls.ts';

const making = { nowMs: systemClock.now(), random: systemRandom, days: 1 };

test('a certificate that was renewed is shown to who connects next', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-serving-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const ca = await createCa({ commonName: 'ca', ...making });
  const issue = (commonName: string) =>
    issueCertificate(ca, { subject: { commonName, organizations: [] }, usages: 'server', ...making });
  const [first, second] = [await issue('first'), await issue('second')];
  const files = { cert: join(directory, 'tls.crt'), key: join(directory, 'tls.key') };
  const clock = new VirtualClock(systemClock.now());
  const tls = { cert: first.certificatePem, key: first.keyPem, clientCa: ca.certificatePem, files };
  const certificates = new ServingCertificates({ ...tls, curves: 'X25519', minVersion: 'TLSv1.3' }, clock);
  const server = createServer(certificates.context()).listen(0, '127.0.0.1');
  await new Promise(resolve => server.once('listening', resolve));
  const stop = new AbortController();
  const following = certificates.follow(server, clock, silentLog, stop.signal);
  const shown = () =>
    new Promise<string>((resolve, reject) => {
      const { port } = server.address() as AddressInfo;
      const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
        resolve(String(socket.getPeerX509Certificate()?.subject));
        socket.destroy();
      }).on('error', reject);
    });
  assert.equal(await shown(), 'CN=first');
  // Half of it: the key is the other certificate's.
  writeFileSync(files.cert, second.certificatePem);
  writeFileSync(files.key, first.keyPem);
  await clock.advance(61_000);
  assert.equal(await shown(), 'CN=first');
  writeFileSync(files.key, second.keyPem);
  await clock.advance(61_000);
  assert.equal(await shown(), 'CN=second');
  assert.equal(new X509Certificate(certificates.certificate).subject, 'CN=second');
  stop.abort();
  await following;
  server.close();
});
