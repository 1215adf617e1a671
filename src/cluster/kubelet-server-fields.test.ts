import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kubeletSettings } from './kubelet-configuration.ts';

const head = { apiVersion: 'kubelet.config.k8s.io/v1beta1', kind: 'KubeletConfiguration' };
const server = (given: object) => kubeletSettings({ ...head, ...given }).server;

test("fields of the kubelet's ports", () => {
  assert.deepEqual(server({ address: '0.0.0.0', healthzPort: 0, readOnlyPort: 0, tlsCipherSuites: [] }), {});
  assert.deepEqual(
    server({
      ...{ address: '127.0.0.2', enableServer: false, readOnlyPort: 10_255, healthzPort: 10_248 },
      ...{ tlsMinVersion: 'VersionTLS13', tlsCurvePreferences: [29, 4588] },
      tlsCipherSuites: ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'],
      authentication: { anonymous: { enabled: true }, webhook: { enabled: false, cacheTTL: '1m' } },
      authorization: { mode: 'AlwaysAllow', webhook: { cacheAuthorizedTTL: '5s', cacheUnauthorizedTTL: '1s' } },
    }),
    {
      ...{ host: '127.0.0.2', enabled: false },
      tls: {
        minVersion: 'TLSv1.3',
        ciphers:
          'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:ECDHE-RSA-AES128-GCM-SHA256',
        curves: 'X25519:X25519MLKEM768',
      },
      access: {
        ...{ anonymous: true, webhook: false, tokenMs: 60_000 },
        ...{ authorize: 'AlwaysAllow', allowedMs: 5000, deniedMs: 1000 },
      },
      healthz: { host: '127.0.0.1', port: 10_248 },
      readOnly: { host: '127.0.0.2', port: 10_255 },
    },
  );
});

test('what is wrong with them is named', () => {
  const cases: [object, RegExp][] = [
    [{ tlsCertFile: '/a' }, /^tlsCertFile and tlsPrivateKeyFile must be given together$/],
    [{ tlsCertFile: '/none/a', tlsPrivateKeyFile: '/none/b' }, /ENOENT/],
    [{ tlsMinVersion: 'TLS1.2' }, /^tlsMinVersion: Invalid value: "TLS1.2": must be one of VersionTLS10/],
    [{ tlsCipherSuites: ['RC4'] }, /^tlsCipherSuites: Invalid value: "RC4": must be of TLS_/],
    [{ tlsCurvePreferences: [1] }, /^tlsCurvePreferences: Invalid value: \[1\]: must be a list of 23, /],
    [{ authentication: { anon: {} } }, /unknown field "authentication.anon"/],
    [{ authorization: { mode: 'RBAC' } }, /^authorization.mode: Invalid value: "RBAC"/],
    [{ healthzPort: 70_000 }, /^healthzPort: Invalid value: 70000/],
  ];
  for (const [given, message] of cases) assert.throws(() => server(given), { message }, JSON.stringify(given));
});
