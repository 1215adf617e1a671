// Clients whose certificates lie in files that others renew.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { coreV1 } from '../api/refs.ts';
import { VirtualClock } from '../base/clock.ts';
import { seededRandom } from '../base/random.ts';
import { createCa, generateEcKey, issueCertificate } from '../base/x509.ts';
import { httpClient } from './http-client.ts';
import { accessTo, loadKubeconfig } from './kubeconfig.ts';

const folder = mkdtempSync(join(tmpdir(), 'k8ts-tls-files-'));
after(() => rmSync(folder, { recursive: true }));
const write = (name: string, text: string) => writeFileSync(join(folder, name), text, { mode: 0o600 });
const making = { nowMs: Date.now(), random: seededRandom(1), days: 1 };

/** An authority and what it says to the server and to clients. */
async function authority(name: string) {
  const ca = await createCa({ commonName: name, ...making });
  const serving = await issueCertificate(ca, {
    subject: { commonName: 'server' },
    ipAddresses: ['127.0.0.1'],
    usages: 'server',
    ...making,
  });
  const client = (commonName: string) => issueCertificate(ca, { subject: { commonName }, usages: 'client', ...making });
  return { ca, tls: { cert: serving.certificatePem, key: serving.keyPem }, client };
}

/** Answers with the name its client shows. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  const socket = request.socket as TLSSocket;
  const data = { user: String(socket.getPeerCertificate().subject?.CN) };
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ kind: 'ConfigMap', apiVersion: 'v1', metadata: { namespace: 'a', name: 'c' }, data }));
}

for (const protocol of ['h2', 'http/1.1']) {
  test(`certificates are read again after a minute, for new connections (${protocol})`, async () => {
    const [one, other] = await Promise.all([authority('one'), authority('other')]);
    const asking = { ...one.tls, ca: one.ca.certificatePem, requestCert: true, rejectUnauthorized: false };
    const server =
      protocol === 'h2' ? http2.createSecureServer(asking, answer as never) : https.createServer(asking, answer);
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const [jane, joe] = await Promise.all([one.client('jane'), one.client('joe')]);
    write('ca.crt', one.ca.certificatePem);
    write('user.crt', jane.certificatePem);
    write('user.key', jane.keyPem);
    write(
      'config',
      JSON.stringify({
        clusters: [
          {
            name: 'c',
            cluster: {
              server: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
              'certificate-authority': 'ca.crt',
            },
          },
        ],
        users: [{ name: 'u', user: { 'client-certificate': 'user.crt', 'client-key': 'user.key' } }],
        contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
        'current-context': 'c',
      }),
    );
    const clock = new VirtualClock();
    const client = httpClient({ ...accessTo(loadKubeconfig({ path: join(folder, 'config') }), clock), clock });
    const user = async () => (await client.get(coreV1.configmaps, { namespace: 'a', name: 'c' })).data?.user;
    try {
      assert.equal(await user(), 'jane');
      write('user.crt', joe.certificatePem);
      write('user.key', generateEcKey().keyPem);
      await clock.advance(60_000);
      assert.equal(await user(), 'jane', 'a key that does not fit is not taken');
      write('user.key', joe.keyPem);
      assert.equal(await user(), 'jane');
      await clock.advance(60_000);
      assert.equal(await user(), 'joe');

      write('ca.crt', 'nothing');
      await clock.advance(60_000);
      assert.equal(await user(), 'joe', 'what holds no certificate is not taken');
      server.setSecureContext({ ...other.tls, ca: one.ca.certificatePem });
      write('ca.crt', other.ca.certificatePem);
      await clock.advance(60_000);
      assert.equal(await user(), 'joe');
    } finally {
      client.close();
      server.close();
    }
  });
}
