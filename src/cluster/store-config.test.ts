import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { seededRandom } from '../base/random.ts';
import { openStore, readServerFlags, type StoreConfig, withFlags } from './store-config.ts';

const surroundings = { clock: new VirtualClock(), random: seededRandom(1), log: silentLog };

test("kube-apiserver's flags name the etcd", () => {
  assert.deepEqual(readServerFlags([]), {});
  assert.deepEqual(
    readServerFlags([
      '--etcd-servers=https://10.0.0.1:2379,https://10.0.0.2:2379',
      '--etcd-prefix',
      '/k8ts',
      '--etcd-cafile=/ca.crt',
      '--etcd-certfile=/c.crt',
      '--etcd-keyfile=/c.key',
      '--no-leader-elect',
    ]),
    {
      store: {
        type: 'etcd',
        servers: ['https://10.0.0.1:2379', 'https://10.0.0.2:2379'],
        prefix: '/k8ts',
        caFile: '/ca.crt',
        certFile: '/c.crt',
        keyFile: '/c.key',
      },
      leaderElect: false,
    },
  );
  assert.deepEqual(readServerFlags(['--leader-elect']), { leaderElect: true });
  assert.deepEqual(readServerFlags(['--leader-elect=false']), { leaderElect: false });
  assert.deepEqual(readServerFlags(['--quota-backend-bytes=1048576']), { store: { type: 'lmdb', maxBytes: 1048576 } });
  assert.throws(() => readServerFlags(['--quota-backend-bytes=1Gi']), /1Gi: want a number of bytes/);
  assert.throws(
    () => readServerFlags(['--quota-backend-bytes=9', '--etcd-servers=http://a:1']),
    /etcd has a flag of its/,
  );
  assert.throws(() => readServerFlags(['--etcd-prefix=/a']), /--etcd-servers must be specified/);
  assert.throws(() => readServerFlags(['--etcd-server=a']), { message: 'unknown flag: --etcd-server' });
  assert.throws(() => readServerFlags(['--profiling', '--event-ttl']), {
    message: 'flag needs an argument: --event-ttl',
  });
  assert.throws(() => readServerFlags(['--profiling', 'false']), /^Error: Unexpected argument 'false'/);
});

test('gates and groups are switched as for kube-apiserver, over what the file says', () => {
  const flags = readServerFlags([
    ...['--feature-gates=AllAlpha=true', '--feature-gates', 'EnvFiles=false'],
    ...['--runtime-config=api/all=true', '--runtime-config=batch/v1/jobs=false'],
  ]);
  assert.deepEqual(flags, {
    featureGates: { AllAlpha: true, EnvFiles: false },
    runtimeConfig: { 'api/all': true, 'batch/v1/jobs': false },
  });
  const file = { featureGates: { EnvFiles: true, AllBeta: true }, runtimeConfig: { 'apps/v1': true } };
  assert.deepEqual(withFlags(file, flags), {
    featureGates: { AllAlpha: true, AllBeta: true, EnvFiles: false },
    runtimeConfig: { 'apps/v1': true, 'api/all': true, 'batch/v1/jobs': false },
  });
  assert.throws(() => readServerFlags(['--feature-gates=Nope=true']), {
    message: '--feature-gates: unrecognized feature gate: Nope',
  });
  assert.throws(() => readServerFlags(['--runtime-config=nope.io/v1=true']), {
    message: '--runtime-config: unknown api groups nope.io/v1',
  });
});

test('a store that cannot be opened is named', async () => {
  const open = (config: object) => openStore(config as StoreConfig, '/nowhere', surroundings);
  await assert.rejects(open({ type: 'sqlite' }), /there is no type "sqlite": want lmdb or etcd/);
  await assert.rejects(open({ type: 'lmdb', maxBytes: -1 }), /maxBytes is -1: want a number of bytes/);
  await assert.rejects(open({ type: 'etcd', servers: [] }), /no server is named/);
  await assert.rejects(open({ type: 'etcd', servers: ['10.0.0.1'] }), /want https:\/\/HOST:PORT/);
  await assert.rejects(open({ type: 'etcd', servers: ['http://a:1'], caFile: '/no/ca.crt' }), /caFile \/no\/ca.crt/);
  await assert.rejects(open({ type: 'etcd', servers: ['http://a:1'], certFile: '/c' }), /must be given together/);
});

test('how kubelets are reached is told as to kube-apiserver, over what the file says', () => {
  const flags = readServerFlags([
    ...[
      '--kubelet-certificate-authority=/ca.crt',
      '--kubelet-client-certificate=/c.crt',
      '--kubelet-client-key=/c.key',
    ],
    ...['--kubelet-port=10350', '--kubelet-timeout=5s', '--kubelet-preferred-address-types=Hostname,InternalIP'],
  ]);
  assert.deepEqual(flags.apiServer, {
    ...{ kubeletCertificateAuthority: '/ca.crt', kubeletClientCertificate: '/c.crt', kubeletClientKey: '/c.key' },
    ...{ kubeletTimeout: '5s', kubeletPort: 10350, kubeletPreferredAddressTypes: ['Hostname', 'InternalIP'] },
  });
  const file = { apiServer: { kubeletTimeout: '9s', anonymousAuth: false } };
  assert.deepEqual(withFlags(file, readServerFlags(['--kubelet-timeout=5s'])).apiServer, {
    ...{ kubeletTimeout: '5s', anonymousAuth: false },
  });
  assert.throws(
    () => readServerFlags(['--kubelet-timeout=soon']),
    /^Error: invalid argument "soon" for "--kubelet-timeout" flag: /,
  );
  assert.throws(
    () => readServerFlags(['--kubelet-port=many']),
    /^Error: invalid argument "many" for "--kubelet-port" flag: strconv.ParseInt: parsing "many": invalid syntax/,
  );
});
