// Logs, exec and port-forward of stock clients on a real container.
// Runs beside others: its cluster is its own.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { PassThrough } from 'node:stream';
import { after, before, test } from 'node:test';
import { CoreV1Api, Exec, KubeConfig, Log, PortForward, type V1Status } from '@kubernetes/client-node';
import { eventually, loadBusybox, newLab } from '../lab.ts';
import { checksOf, run } from './control-plane.ts';
import { goClient, pythonClient, type Tool } from './tool.ts';

const lab = newLab('c');
const image = 'k8ts.local/busybox:clients';
const namespace = 'default';
const name = 'target';
const config = new KubeConfig();

before(async () => {
  await lab.k8ts('up', '--nodes', '1');
  await loadBusybox(lab, image);
  config.loadFromString(readFileSync(lab.env.KUBECONFIG!, 'utf8'));
  const core = config.makeApiClient(CoreV1Api);
  const command = ['sh', '-c', 'echo hello > /www/index.html; httpd -p 8080 -h /www; echo ready; sleep 1000'];
  await eventually('the service account', () => core.readNamespacedServiceAccount({ namespace, name: 'default' }));
  await core.createNamespacedPod({
    namespace,
    body: {
      metadata: { name },
      spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'c', image, imagePullPolicy: 'Never', command }] },
    },
  });
  await eventually('the page', async () => {
    const log = await core.readNamespacedPodLog({ namespace, name });
    return log === 'ready\n';
  });
});
after(() => lab.dispose());

async function report(tool: Tool, args: readonly string[], names: readonly string[]): Promise<string | undefined> {
  if ('missing' in tool) return tool.missing;
  const [program, ...own] = tool.command;
  const checks = checksOf(await run(program, [...own, ...args]));
  assert.deepEqual(
    checks.filter(c => c.error !== undefined),
    [],
  );
  assert.deepEqual(checks.map(c => c.name).sort(), names);
  return undefined;
}

test('client-go: logs, exec and port-forward over WebSocket and SPDY, and what may go wrong with them', async t => {
  const edges = ['exec', 'port-forward'].flatMap(of => ['SPDY', 'WebSocket'].map(way => `${of}'s edges over ${way}`));
  const names = ['exec over SPDY', 'exec over WebSocket', 'logs', 'port-forward', ...edges].sort();
  const args = ['-kubeconfig', lab.env.KUBECONFIG!, '-pod', `${namespace}/${name}`];
  const missing = await report(await goClient(), args, names);
  if (missing) t.skip(missing);
});

test('Python client: logs, exec, port-forward', async t => {
  const args = [lab.env.KUBECONFIG!, `${namespace}/${name}`];
  const missing = await report(await pythonClient(), args, ['exec', 'logs', 'port-forward']);
  if (missing) t.skip(missing);
});

const text = async (stream: PassThrough) => (await stream.setEncoding('utf8').toArray()).join('');
const soon = { timeout: 20_000 };

test('client-node: logs', soon, async () => {
  const log = new PassThrough();
  await new Log(config).log(namespace, name, 'c', log, { tailLines: 1 });
  assert.equal(await text(log), 'ready\n');
});

test('client-node: exec', soon, async () => {
  const [out, err, input] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const ended = Promise.withResolvers<V1Status>();
  const command = ['sh', '-c', 'read line; echo got $line; echo err >&2; exit 7'];
  await new Exec(config).exec(namespace, name, 'c', command, out, err, input, false, ended.resolve);
  input.write('hello\n');
  const status = await ended.promise;
  out.end();
  err.end();
  assert.deepEqual([await text(out), await text(err)], ['got hello\n', 'err\n']);
  assert.equal(status.details?.causes?.find(c => c.reason === 'ExitCode')?.message, '7');
});

test('client-node: port-forward', soon, async () => {
  const forward = new PortForward(config);
  const server = createServer(socket => {
    forward.portForward(namespace, name, [8080], socket, null, socket).catch(error => socket.destroy(error));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as { port: number }).port, '127.0.0.1');
  try {
    socket.setEncoding('utf8');
    socket.write('GET / HTTP/1.0\r\n\r\n');
    let answer = '';
    // This client does not hand on that the other side has closed.
    while (!answer.endsWith('hello\n')) answer += (await once(socket, 'data'))[0];
    assert.match(answer, /^HTTP\/1\.[01] 200 OK/);
  } finally {
    socket.destroy();
    server.close();
  }
});
