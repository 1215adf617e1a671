// Devices of a real node for real pods: a driver of dynamic resources made with Kubernetes' own kubeletplugin, a device
// plugin and a reader of podresources in Go, unchanged beside a node of k8ts.
// Runs beside others: its cluster is its own, and nobody else has files of its name in /var/run/cdi.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { devicesProgram, type Tool } from '../clients/tool.ts';
import { ClusterAccess } from '../cluster-access.ts';
import { eventually, loadBusybox, newLab } from '../lab.ts';

const image = 'k8ts.test/busybox:1';
const namespace = 'devices';
const node = 'node-1';
const widget = 'example.com/widget';
const lab = newLab('dev');
let access: ClusterAccess;
let tool: Tool;
let program: ChildProcess | undefined;
let said = '';

const kubeletRoot = (): string => join(process.env.K8TS_STATE_DIR ?? '/var/lib/k8ts', lab.name, node, 'kubelet');

async function startProgram(command: readonly [string, ...string[]]): Promise<void> {
  const [path, ...args] = command;
  said = '';
  program = spawn(path, [...args, 'drive', lab.env.KUBECONFIG ?? '', node, kubeletRoot()]);
  for (const stream of [program.stdout, program.stderr]) stream?.on('data', d => (said += d));
  await eventually('the program', async () => {
    if (program?.exitCode !== null) throw new Error(said);
    return said.includes('serving');
  });
}

async function stopProgram(signal: NodeJS.Signals): Promise<void> {
  if (!program || program.exitCode !== null || program.signalCode !== null) return;
  const ended = new Promise(resolve => program!.once('exit', resolve));
  program.kill(signal);
  await ended;
}

before(async () => {
  mkdirSync('/var/run/cdi', { recursive: true });
  tool = await devicesProgram();
  if ('missing' in tool) return;
  await lab.k8ts('up', '--nodes', '1');
  await loadBusybox(lab, image);
  access = new ClusterAccess(lab, namespace, image);
  await access.ask('POST', '/api/v1/namespaces', { metadata: { name: namespace } });
  await eventually('the node', async () => existsSync(join(kubeletRoot(), 'plugins_registry')));
  await startProgram(tool.command);
});

after(async () => {
  await stopProgram('SIGKILL');
  await lab.dispose();
  for (const name of readdirSync('/var/run/cdi'))
    if (name.startsWith('k8ts-interop-')) rmSync(join('/var/run/cdi', name));
});

/** Runs with the program, or is skipped with the reason why this machine has none. */
function withProgram(name: string, body: (command: readonly [string, ...string[]]) => Promise<void>): void {
  test(name, async (t: TestContext) => {
    if ('missing' in tool) return t.skip(tool.missing);
    try {
      await body(tool.command);
    } catch (error) {
      throw new Error(`the program said: ${said.slice(-3000)}`, { cause: error });
    }
  });
}

const dra = '/apis/resource.k8s.io/v1';
const pods = `/api/v1/namespaces/${namespace}/pods`;
const get = async (path: string) => (await access.request('GET', path)).body;
const slices = async (): Promise<any[]> => (await get(`${dra}/resourceslices`)).items;
const container = (name: string, more: object) => ({
  ...{ name, image, imagePullPolicy: 'Never', ...more },
  command: ['sh', '-c', 'env; ls /dev; sleep 3600'],
});
const createPod = (name: string, spec: object) =>
  access.ask('POST', pods, { metadata: { name }, spec: { terminationGracePeriodSeconds: 0, ...spec } });
const running = (name: string) =>
  eventually(`${name} running`, async () => (await get(`${pods}/${name}`)).status?.phase === 'Running', 60_000);
const output = (pod: string, name: string) =>
  eventually('its output', async () => {
    const { text } = await access.request('GET', `${pods}/${pod}/log?container=${name}`);
    return text.includes('zero') && text;
  });
const gone = async (name: string) => {
  await access.request('DELETE', `${pods}/${name}`);
  await eventually(`${name} gone`, async () => (await access.request('GET', `${pods}/${name}`)).code === 404);
};

describe('devices', () => {
  withProgram('the driver is registered, and what it publishes is there', async () => {
    const [slice] = await eventually('slices', async () => {
      const all = await slices();
      return all.length > 0 && all;
    });
    assert.equal(slice.spec.driver, 'gpu.example.com');
    assert.equal(slice.spec.nodeName, node);
    assert.deepEqual(
      slice.spec.devices.map((d: { name: string }) => d.name),
      ['gpu-0', 'gpu-1'],
    );
  });

  withProgram('pods with claims from a template each get a device, which is free again after them', async () => {
    const selectors = [{ cel: { expression: "device.driver == 'gpu.example.com'" } }];
    await access.ask('POST', `${dra}/deviceclasses`, { metadata: { name: 'gpu.example.com' }, spec: { selectors } });
    const requests = [{ name: 'gpu', exactly: { deviceClassName: 'gpu.example.com' } }];
    await access.ask('POST', `${dra}/namespaces/${namespace}/resourceclaimtemplates`, {
      metadata: { name: 'single-gpu' },
      spec: { spec: { devices: { requests } } },
    });
    const spec = {
      resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 'single-gpu' }],
      containers: [container('ctr0', { resources: { claims: [{ name: 'gpu' }] } }), container('ctr1', {})],
    };
    for (const name of ['pod0', 'pod1', 'pod2']) await createPod(name, spec);
    await running('pod0');
    await running('pod1');
    const outputs = await Promise.all(['pod0', 'pod1'].map(p => output(p, 'ctr0')));
    const devices = outputs.map(text => /^GPU_DEVICE_0=(.*)$/m.exec(text)?.[1] ?? '');
    assert.deepEqual([...devices].sort(), ['gpu-0', 'gpu-1']);
    for (const [i, text] of outputs.entries()) assert.match(text, new RegExp(`^${devices[i]}$`, 'm'));
    assert.doesNotMatch(await output('pod0', 'ctr1'), /GPU_DEVICE/);
    const statuses = (await get(`${pods}/pod0`)).status.containerStatuses;
    const health = statuses.find((s: { name: string }) => s.name === 'ctr0').allocatedResourcesStatus;
    assert.equal(health[0].name, 'claim:gpu');
    assert.equal(health[0].resources[0].health, 'Unknown');
    assert.equal((await get(`${pods}/pod2`)).status.phase, 'Pending');
    await gone('pod0');
    await running('pod2');
    assert.equal(/^GPU_DEVICE_0=(.*)$/m.exec(await output('pod2', 'ctr0'))?.[1], devices[0]);
  });

  withProgram('a device plugin counts on the node, and its container gets what it chose', async ([path, ...args]) => {
    await eventually('capacity', async () => {
      const { status } = await get(`/api/v1/nodes/${node}`);
      return status.capacity[widget] === '3' && status.allocatable[widget] === '3';
    });
    const resources = { limits: { [widget]: '2' } };
    await createPod('widgets', { containers: [container('c', { resources })] });
    await running('widgets');
    const text = await output('widgets', 'c');
    assert.match(text, /^WIDGETS=widget-1,widget-2$/m);
    assert.match(text, /^widget$/m);
    await createPod('waiting', { containers: [container('c', { resources })] });
    const { stdout, stderr } = await lab.run(path, [...args, 'list', kubeletRoot()]);
    const listed = JSON.parse(stdout || stderr);
    const of = (name: string) => listed.find((p: { name: string }) => p.name === name).containers[0];
    assert.deepEqual(of('widgets').devices, [
      {
        ...{ resource_name: widget, device_ids: ['widget-1', 'widget-2'] },
        topology: { nodes: [{}] },
      },
    ]);
    const [claim] = of('pod1').dynamic_resources;
    assert.equal(claim.claim_resources[0].driver_name, 'gpu.example.com');
    assert.match(claim.claim_resources[0].cdi_devices[0].name, /^k8s\.gpu\.example\.com\/gpu=/);
    await gone('widgets');
    await running('waiting');
  });

  withProgram(
    'of a driver that was killed nothing is left to be scheduled; what comes back counts again',
    async command => {
      await stopProgram('SIGKILL');
      const has = (allocatable: string) => async () => {
        const { status } = await get(`/api/v1/nodes/${node}`);
        return status.allocatable[widget] === allocatable && status.capacity[widget] === '3';
      };
      await eventually('no devices', has('0'));
      await eventually('no slices', async () => (await slices()).length === 0, 60_000);
      await startProgram(command);
      await eventually('devices', has('3'));
      await eventually('slices', async () => (await slices()).length === 1);
    },
  );

  withProgram('a device of a driver can be asked for as an extended resource, too', async () => {
    await gone('pod2');
    const selectors = [{ cel: { expression: "device.driver == 'gpu.example.com'" } }];
    const spec = { selectors, extendedResourceName: 'example.com/accelerator' };
    await access.ask('POST', `${dra}/deviceclasses`, { metadata: { name: 'accelerator' }, spec });
    const resources = { limits: { 'example.com/accelerator': '1' } };
    await createPod('plain', { containers: [container('c', { resources }), container('other', {})] });
    await running('plain');
    assert.match(await output('plain', 'c'), /^GPU_DEVICE_0=gpu-[01]$/m);
    assert.doesNotMatch(await output('plain', 'other'), /GPU_DEVICE/);
    await gone('plain');
  });

  withProgram('an agent that restarts keeps what pods have; the plugins come back by themselves', async () => {
    await lab.k8ts('stop');
    await lab.k8ts('start');
    await running('waiting');
    await eventually('its devices', async () => {
      const { status } = await get(`/api/v1/nodes/${node}`);
      return status.allocatable[widget] === '3';
    });
    const claims = (await get(`${dra}/namespaces/${namespace}/resourceclaims`)).items;
    const claim = claims.find((c: any) => c.metadata.ownerReferences?.[0]?.name === 'pod1');
    const spec = `/var/run/cdi/k8ts-interop-${claim.metadata.uid}.json`;
    assert.ok(existsSync(spec));
    await gone('pod1');
    await eventually('the undoing', async () => !existsSync(spec));
  });
});
