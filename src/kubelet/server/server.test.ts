// The kubelet's port with pods of the test's own: who gets in, and what the paths without containers answer.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import { type CertificateAndKey, createCa, issueCertificate } from '../../base/x509.ts';
import type { Client } from '../../client/client.ts';
import { RuntimeError } from '../../cri/runtime-error.ts';
import type { CheckpointContainerRequest } from '../../cri/type.ts';
import type { Kubelet } from '../kubelet.ts';
import { kubeletMetrics } from '../kubelet-metrics.ts';
import { createKubeletServer } from './server.ts';

const directory = mkdtempSync(join(tmpdir(), 'k8ts-kubelet-server-'));
const making = { nowMs: systemClock.now(), random: systemRandom, days: 1 };
const stop = new AbortController();
let ca: CertificateAndKey;
let admin: CertificateAndKey;
let stranger: CertificateAndKey;
let port: number;
let serving: CertificateAndKey;
let running: Promise<void>;
const asked: string[] = [];

/** Reviews as an API server would: the token `good` is the user viewer, who may get nodes/pods and nodes/metrics. */
const client = {
  async create(resource: { resource: string }, { spec }: { spec: Record<string, any> }) {
    if (resource.resource === 'tokenreviews') {
      asked.push(`token ${spec.token}`);
      return {
        status: spec.token === 'good' ? { authenticated: true, user: { username: 'viewer', groups: ['g'] } } : {},
      };
    }
    const { verb, resource: of, subresource, name } = spec.resourceAttributes;
    asked.push(`${spec.user} ${verb} ${of}/${subresource} ${name}`);
    const allowed =
      spec.groups.includes('system:masters') || (spec.user === 'viewer' && /pods|metrics/.test(subresource));
    return { status: { allowed } };
  },
} as unknown as Client;

const pod = {
  metadata: { name: 'p', namespace: 'default', uid: 'u' },
  spec: { containers: [{ name: 'c' }] },
  status: { containerStatuses: [{ name: 'c', state: { running: {} }, containerID: 'x://id1' }] },
};
let problems: string[] = [];
/** What the kubelet last saw of containers that streams ask for; the runtime knows that all have ended. */
const states: Record<string, string> = { over: 'exited', ending: 'running', c: 'running' };
const checkpoints: CheckpointContainerRequest[] = [];
const kubelet = {
  nodeName: 'n',
  ready: () => Promise.reject(new Error('never')),
  problems: () => problems,
  pods: () => [pod],
  pod: (_: string, name: string) => (name === 'p' ? pod : undefined),
  observed: () => ({ containers: [{ id: 'id1', name: 'c', state: 'running', logPath: join(directory, '0.log') }] }),
  container: (_: unknown, name: string) =>
    states[name] && { id: name === 'ending' ? 'id2' : 'id1', name, state: states[name] },
  rootDirectory: join(directory, 'kubelet'),
  runtime: {
    async CheckpointContainer(asked: CheckpointContainerRequest) {
      if (asked.container_id !== 'id1') throw new RuntimeError('CheckpointContainer', 'Unimplemented', 'no criu');
      checkpoints.push(asked);
    },
    Exec: () => Promise.reject(new RuntimeError('Exec', 'Unknown', 'container is in CONTAINER_EXITED state')),
    Attach: () => Promise.reject(new RuntimeError('Attach', 'Unknown', 'container is in CONTAINER_EXITED state')),
  },
  metrics: kubeletMetrics(systemClock),
} as unknown as Kubelet;

before(async () => {
  mkdirSync(join(directory, 'logs/sub'), { recursive: true });
  writeFileSync(join(directory, 'logs/a.log'), 'content');
  symlinkSync('/etc/passwd', join(directory, 'logs/out'));
  writeFileSync(join(directory, '0.log'), '2026-01-02T03:04:05.1Z stdout F one\n2026-01-02T03:04:06.1Z stdout F two\n');
  ca = await createCa({ commonName: 'ca', ...making });
  const client1 = (commonName: string, by: CertificateAndKey) =>
    issueCertificate(by, { subject: { commonName, organizations: ['system:masters'] }, usages: 'client', ...making });
  admin = await client1('admin', ca);
  stranger = await client1('stranger', await createCa({ commonName: 'other', ...making }));
  const names = { subject: { commonName: 'n', organizations: [] }, ipAddresses: ['127.0.0.1'] };
  serving = await issueCertificate(ca, { ...names, usages: 'server', ...making });
  const server = createKubeletServer({
    kubelet,
    client,
    clock: systemClock,
    log: silentLog,
    tls: { cert: serving.certificatePem, key: serving.keyPem, clientCa: ca.certificatePem },
    host: '127.0.0.1',
    port: 0,
    config: { maxPods: 7 },
    logsDirectory: join(directory, 'logs'),
  });
  running = server.run(stop.signal);
  port = await server.listening;
});

after(async () => {
  stop.abort();
  await running;
  rmSync(directory, { recursive: true, force: true });
});

function get(
  path: string,
  {
    as = admin,
    token,
    method = 'GET',
    at = port,
  }: { as?: CertificateAndKey | null; token?: string; method?: string; at?: number } = {},
) {
  return new Promise<[number, string]>((resolve, reject) => {
    const asked = request(
      {
        host: '127.0.0.1',
        port: at,
        path,
        method,
        ca: ca.certificatePem,
        ...(as ? { cert: as.certificatePem, key: as.keyPem } : {}),
        headers: token ? { authorization: `Bearer ${token}` } : {},
        agent: false,
      },
      response => void text(response).then(body => resolve([response.statusCode!, body]), reject),
    );
    asked.on('error', reject);
    asked.end();
  });
}

test('lets in certificates of the cluster and good tokens, nobody else', async () => {
  assert.deepEqual(await get('/healthz'), [200, 'ok']);
  assert.deepEqual(await get('/healthz', { as: null }), [401, 'Unauthorized']);
  assert.deepEqual(await get('/healthz', { as: stranger }), [401, 'Unauthorized']);
  assert.deepEqual(await get('/pods', { as: null, token: 'bad' }), [401, 'Unauthorized']);
  assert.equal((await get('/pods', { as: null, token: 'good' }))[0], 200);
  assert.deepEqual(await get('/configz', { as: null, token: 'good' }), [
    403,
    'Forbidden (user=viewer, verb=get, resource=nodes, subresource(s)=[configz proxy])\n',
  ]);
  assert.deepEqual(await get('/run/default/p/c', { as: null, token: 'good', method: 'POST' }), [
    403,
    'Forbidden (user=viewer, verb=create, resource=nodes, subresource(s)=[proxy])\n',
  ]);
  const before = asked.length;
  await get('/configz', { as: null, token: 'good' });
  assert.deepEqual(asked.slice(before), [], 'reviews are remembered');
  assert.ok(asked.includes('viewer get nodes/configz n') && asked.includes('viewer get nodes/proxy n'));
});

test('logs of containers', async () => {
  assert.deepEqual(await get('/containerLogs/default/p/c'), [200, 'one\ntwo\n']);
  assert.deepEqual(await get('/containerLogs/default/p/c?tailLines=1'), [200, 'two\n']);
  assert.deepEqual(await get('/containerLogs/default/q/c'), [404, 'pod does not exist']);
  assert.deepEqual(await get('/containerLogs/default/p/d'), [404, 'container "d" not found in pod "p"']);
  const previous = 'previous terminated container "c" in pod "p" not found';
  assert.deepEqual(await get('/containerLogs/default/p/c?previous=true'), [400, previous]);
  assert.equal((await get('/containerLogs/default/p/c?tailLines=-1'))[0], 422);
});

test('streams without an upgrade, and for containers that are not there', async () => {
  assert.deepEqual(await get('/exec/default/p/c?command=x'), [
    400,
    'you must specify at least 1 of stdin, stdout, stderr',
  ]);
  assert.deepEqual(await get('/exec/default/p/c?command=x&output=1'), [500, 'container not found ("c")']);
  for (const name of ['absent', 'over', 'ending']) {
    assert.deepEqual(await get(`/exec/default/p/${name}?command=x&output=1`), [500, `container not found ("${name}")`]);
    const attached = await get(`/attach/default/p/${name}?output=1`);
    assert.deepEqual(attached, [500, `container ${name} not found in pod p_default`]);
  }
  assert.equal((await get('/nothing'))[0], 404);
  assert.equal((await get('/pods', { method: 'DELETE' }))[0], 405);
});

test('a container is checkpointed into an archive of its name', async () => {
  const post = (path: string, more: object = {}) => get(path, { method: 'POST', ...more });
  const [code, body] = await post('/checkpoint/default/p/c?timeout=7');
  const [archive] = JSON.parse(body).items;
  assert.equal(code, 200);
  assert.match(archive, /\/kubelet\/checkpoints\/checkpoint-p_default-c-[0-9]{4}-[0-9-]+T[0-9:]+Z\.tar$/);
  assert.equal(statSync(dirname(archive)).mode & 0o777, 0o700);
  assert.deepEqual(checkpoints, [{ container_id: 'id1', location: archive, timeout: 7 }]);
  assert.deepEqual(await post('/checkpoint/default/q/c'), [404, 'pod does not exist']);
  for (const name of ['absent', 'over'])
    assert.deepEqual(await post(`/checkpoint/default/p/${name}`), [404, `container ${name} does not exist`]);
  assert.equal((await post('/checkpoint/default/p/c?timeout=soon'))[0], 400);
  assert.deepEqual(await post('/checkpoint/default/p/ending'), [
    500,
    'checkpointing of default/p/ending failed (rpc error: code = Unimplemented desc = no criu)',
  ]);
  assert.equal((await get('/checkpoint/default/p/c'))[0], 405);
  assert.deepEqual(await post('/checkpoint/default/p/c', { as: null, token: 'good' }), [
    403,
    'Forbidden (user=viewer, verb=create, resource=nodes, subresource(s)=[checkpoint])\n',
  ]);
});

test('health, configuration, files below the log directory only', async () => {
  problems = ['stuck'];
  assert.equal((await get('/healthz'))[0], 500);
  assert.deepEqual(await get('/healthz/syncloop'), [500, 'internal server error: stuck\n']);
  assert.deepEqual(await get('/healthz/ping'), [200, 'ok']);
  problems = [];
  assert.equal(JSON.parse((await get('/configz'))[1]).kubeletconfig.maxPods, 7);
  assert.equal(JSON.parse((await get('/pods'))[1]).items[0].metadata.name, 'p');
  assert.deepEqual(await get('/logs/a.log'), [200, 'content']);
  assert.match((await get('/logs/'))[1], /<a href="sub\/">sub\/<\/a>/);
  for (const path of ['/logs/out', '/logs/../0.log', '/logs/%2e%2e/0.log', '/logs/none'])
    assert.equal((await get(path))[0], 404, path);
});

/** Of a server that differs by these options. */
async function answers(
  more: object,
  paths: readonly string[],
  as: CertificateAndKey | null = admin,
): Promise<[number, string][]> {
  const tls = { cert: serving.certificatePem, key: serving.keyPem, clientCa: ca.certificatePem };
  const common = { kubelet, client, clock: systemClock, log: silentLog, tls, host: '127.0.0.1', port: 0 };
  const ended = new AbortController();
  const server = createKubeletServer({ ...common, logsDirectory: join(directory, 'logs'), ...more });
  const served = server.run(ended.signal);
  const at = await server.listening;
  const found: [number, string][] = [];
  for (const path of paths) found.push(await get(path, { at, as }));
  ended.abort();
  await served;
  return found;
}

test('who shows nothing is let in where that is on, and all may do all where nobody asks', async () => {
  const anonymous = { access: { anonymous: true } };
  const [[, refused]] = (await answers(anonymous, ['/pods'], null)) as [[number, string]];
  assert.match(refused, /^Forbidden \(user=system:anonymous, verb=get, resource=nodes/);
  const open = { access: { anonymous: true, authorize: 'AlwaysAllow' } };
  assert.deepEqual((await answers(open, ['/healthz'], null))[0], [200, 'ok']);
  const closed = { access: { webhook: false } };
  assert.deepEqual((await answers(closed, ['/healthz'], null))[0], [401, 'Unauthorized']);
});

test('ports in the clear show health, and pods and figures, and nothing else', async () => {
  const free = async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port: number } = taken.address() as AddressInfo;
    taken.close();
    return { host: '127.0.0.1', port: number };
  };
  const [healthz, readOnly] = [await free(), await free()];
  const ended = new AbortController();
  const tls = { cert: serving.certificatePem, key: serving.keyPem, clientCa: ca.certificatePem };
  const common = { kubelet, client, clock: systemClock, log: silentLog, tls, host: '127.0.0.1', port: 0 };
  const server = createKubeletServer({ ...common, healthz, readOnly });
  const served = server.run(ended.signal);
  await server.listening;
  const code = async ({ port: at }: { port: number }, path: string) => {
    for (let tries = 0; ; tries++) {
      const answer = await fetch(`http://127.0.0.1:${at}${path}`).catch(() => undefined);
      if (answer) return answer.status;
      assert.ok(tries < 100, `port ${at} is closed`);
    }
  };
  assert.deepEqual(
    await Promise.all(['/healthz', '/pods', '/metrics'].map(path => code(healthz, path))),
    [200, 404, 404],
  );
  const paths = ['/pods', '/healthz', '/exec/default/p/c', '/logs/', '/configz'];
  assert.deepEqual(await Promise.all(paths.map(path => code(readOnly, path))), [200, 200, 404, 404, 404]);
  ended.abort();
  await served;
});

test('what reaches into containers and files is switched off', async () => {
  const off = [405, 'Debug endpoints are disabled.\n'];
  assert.deepEqual(
    await answers({ debugging: false }, ['/exec/default/p/c', '/containerLogs/default/p/c', '/logs/', '/debug/pprof/']),
    [off, off, off, off],
  );
  assert.equal((await answers({ debugging: false }, ['/pods']))[0]![0], 200);
  assert.deepEqual(await answers({ systemLogs: false }, ['/logs/a.log', '/containerLogs/default/p/c']), [
    [405, 'logs endpoint is disabled.\n'],
    [200, 'one\ntwo\n'],
  ]);
});

test('services of the node are asked for by name, where that is on', async () => {
  const calls: (readonly string[])[] = [];
  const journal = async (args: readonly string[]) => {
    calls.push(args);
    return Buffer.from(args.includes('--unit=known') ? 'from the journal\n' : '');
  };
  const logs = (query: string) => `/logs/?${query}`;
  const on = (...queries: string[]) => answers({ logQueries: true, journal }, queries.map(logs));
  writeFileSync(join(directory, 'logs/own.log'), 'from its file\n');
  assert.deepEqual(await on('query=known&query=own', 'query=/a.log', 'query=none'), [
    [200, 'from the journal\nfrom its file\n'],
    [200, 'content'],
    [404, `no logs of "none" in the journal or below ${join(directory, 'logs')}\n`],
  ]);
  calls.length = 0;
  await on(
    'query=known&sinceTime=2026-01-02T03:04:05Z&untilTime=2026-01-02T04:04:05.5Z&tailLines=7&boot=-1&pattern=a|b',
  );
  assert.deepEqual(calls, [
    [
      ...[
        '--utc',
        '--no-pager',
        '--quiet',
        '--output=short-precise',
        '--since=@1767323045.000',
        '--until=@1767326645.500',
      ],
      ...['--lines=7', '--boot=-1', '--grep=a|b', '--unit=known'],
    ],
  ]);
  calls.length = 0;
  for (const wrong of [
    ...['query=', 'query=-D', 'query=--file', 'query=a%20b', 'query=/a.log&query=known', 'query=/../0.log'],
    ...[
      'query=known&tailLines=-1',
      'query=known&boot=1',
      'query=known&sinceTime=yesterday',
      'query=/a.log&tailLines=1',
    ],
    'query=known&sinceTime=2026-01-02T03:04:05Z&untilTime=2026-01-01T03:04:05Z',
  ])
    assert.equal((await on(wrong))[0]![0], 406, wrong);
  assert.equal((await on('query=/out'))[0]![0], 404);
  assert.deepEqual(calls, []);
  const [[code, list] = [0, '']] = await answers({ journal }, [logs('query=known')]);
  assert.deepEqual([code, /a\.log/.test(list), calls], [200, true, []]);
});
