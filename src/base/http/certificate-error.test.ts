import assert from 'node:assert/strict';
import { createServer as createPlain } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { test } from 'node:test';
import { systemClock } from '../clock.ts';
import { systemRandom } from '../random.ts';
import { type CertificateOptions, createCa, issueCertificate } from '../x509.ts';
import { certificateError } from './certificate-error.ts';
import { dialError, type HttpTarget, requestUpgrade } from './upgrade-request.ts';

const dayMs = 86_400_000;
const making = { nowMs: systemClock.now(), random: systemRandom, days: 1 };
const ca = await createCa({ commonName: 'ca', ...making });

async function listening(server: Server, act: (port: number) => Promise<void>): Promise<void> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  try {
    await act((server.address() as AddressInfo).port);
  } finally {
    server.close();
  }
}

async function refusal(target: HttpTarget): Promise<string> {
  const failed = await requestUpgrade(target, { method: 'GET', path: '/', headers: {}, clock: systemClock }).then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(failed);
  return dialError(target, failed);
}

async function refusedAs(said: string, options: Partial<CertificateOptions>, tls: HttpTarget['tls'] = {}) {
  const { certificatePem, keyPem } = await issueCertificate(ca, {
    ...{ subject: { commonName: 'server' }, dnsNames: ['a.example', 'b.example'], usages: 'server' },
    ...making,
    ...options,
  });
  await listening(createServer({ cert: certificatePem, key: keyPem }), async port => {
    const target: HttpTarget = {
      ...{ protocol: 'https:', host: '127.0.0.1', port },
      tls: { ca: ca.certificatePem, servername: 'a.example', ...tls },
    };
    assert.equal(await refusal(target), `tls: failed to verify certificate: x509: ${said}`);
  });
}

test('a certificate that is not believed is refused in the words of Go', async () => {
  const other = await createCa({ commonName: 'other', ...making });
  await refusedAs('certificate signed by unknown authority', {}, { ca: other.certificatePem });
  await refusedAs('certificate is valid for a.example, b.example, not c.example', {}, { servername: 'c.example' });
  const noNames = { dnsNames: [], ipAddresses: ['127.0.0.2'] };
  await refusedAs('certificate is not valid for any names, but wanted to match a.example', noNames);
  const onlyCommon = { dnsNames: [], subject: { commonName: 'a.example' } };
  await refusedAs('certificate relies on legacy Common Name field, use SANs instead', onlyCommon);
  await refusedAs('certificate is valid for 127.0.0.2, not 127.0.0.1', noNames, { servername: '' });
  await refusedAs(
    "cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs",
    {},
    { servername: '' },
  );
  await refusedAs('certificate specifies an incompatible key usage', { usages: 'client' });
  await refusedAs('certificate has expired or is not yet valid', { nowMs: making.nowMs - 9 * dayMs });
});

test('a signature over SHA-1 is none', () => {
  const error = Object.assign(new Error('CA signature digest algorithm too weak'), { code: 'UNSPECIFIED' });
  assert.match(certificateError(error)!, /x509: certificate signed by unknown authority .*insecure algorithm/);
});

test('a server without TLS is told from one whose certificate is not believed', () =>
  listening(createPlain(), async port => {
    const said = await refusal({ protocol: 'https:', host: '127.0.0.1', port });
    assert.equal(said, 'http: server gave HTTP response to HTTPS client');
  }));
