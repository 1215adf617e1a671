// The guestbook on two nodes with real containers: deployed from a registry, rolled out under load, hurt in every way.
// Runs beside others: its cluster and its registry are its own.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../src/api/meta.ts';
import type { ResourceRef } from '../../src/api/ref.ts';
import { appsV1, coreV1 } from '../../src/api/refs.ts';
import type { Pod } from '../../src/api/type/core-v1.ts';
import { httpClient } from '../../src/client/http-client.ts';
import { eventually, newLab } from '../../test/lab.ts';
import { type Registry, startRegistry } from './registry.ts';

const lab = newLab('guest');
const namespace = 'guestbook';
let api: ReturnType<typeof httpClient>;
let registry: Registry | undefined;
let site: string;
let unavailable: string | undefined;
const written: string[] = [];

before(async () => {
  const port = await freePort();
  site = `http://127.0.0.1:${port}`;
  await lab.k8ts('up', '--nodes', '2', '--publish', `${port}:30080`);
  const { clusters, users } = parse(await lab.k8ts('kubeconfig'));
  const pem = (text: string) => Buffer.from(text, 'base64').toString();
  api = httpClient({
    server: clusters[0].cluster.server,
    ca: pem(clusters[0].cluster['certificate-authority-data']),
    cert: pem(users[0].user['client-certificate-data']),
    key: pem(users[0].user['client-key-data']),
  });
  registry = await startRegistry(lab.name).catch((error: Error) => {
    // Not on Debian 12, or away from its packages.
    if (!/^fetch /.test(error.message)) throw error;
    unavailable = error.message;
    return undefined;
  });
});

after(async () => {
  api?.close();
  await registry?.stop();
  await lab.dispose();
});

function freePort(): Promise<number> {
  return new Promise(done => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => done(port));
    });
  });
}

const kinds: Record<string, ResourceRef<KubeObject>> = Object.fromEntries(
  [
    coreV1.namespaces,
    coreV1.configmaps,
    coreV1.secrets,
    coreV1.services,
    coreV1.persistentvolumes,
    coreV1.persistentvolumeclaims,
    appsV1.deployments,
  ].map(ref => [ref.kind, ref as ResourceRef<KubeObject>]),
);

async function deploy(change: (text: string) => string = text => text): Promise<void> {
  const text = readFileSync(join(import.meta.dirname, 'guestbook.yaml'), 'utf8');
  const here = text.replace('/var/lib/k8ts-guestbook', join(lab.home, 'data'));
  for (const document of parseAllDocuments(change(here))) {
    const body = document.toJS();
    await api.patch(kinds[body.kind]!, body.metadata, { type: 'apply', body }, { fieldManager: 'guestbook' });
  }
}

const pods = async (app: string) =>
  (await api.list<Pod>(coreV1.pods, { namespace, labelSelector: `app=${app}` })).items as readonly Pod[];
const isReady = (pod: Pod) =>
  !pod.metadata.deletionTimestamp && !!pod.status.conditions?.some(c => c.type === 'Ready' && c.status === 'True');

/** Every deployment complete at its newest generation, no pod left over. */
const settled = (timeoutMs?: number) =>
  eventually(
    'the deployments',
    async () => {
      const { items } = await api.list(appsV1.deployments, { namespace });
      const done = items.every(({ metadata, spec, status }) => {
        const wanted = spec.replicas ?? 1;
        return (
          status?.observedGeneration === metadata.generation &&
          status?.updatedReplicas === wanted &&
          status?.availableReplicas === wanted &&
          status?.replicas === wanted
        );
      });
      return items.length === 3 && done;
    },
    timeoutMs,
  );

interface Page {
  readonly title: string;
  readonly version: string;
  readonly pod: string;
  readonly entries: readonly string[];
}

async function ask<T>(path: string, init: RequestInit = {}): Promise<T> {
  const response = await fetch(site + path, { ...init, signal: AbortSignal.timeout(10_000) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  return JSON.parse(text) as T;
}

const read = () => ask<Page>('/api/entries');

async function write(text: string): Promise<void> {
  await ask('/api/entries', { method: 'POST', body: text });
  written.push(text);
}

/** Writes when the proxies of both nodes have heard that Redis is back. */
const writeAgain = (text: string) =>
  eventually('Redis behind the site', () =>
    write(text).then(
      () => true,
      error => {
        if (/Connection refused|timed out/.test(String(error))) return false;
        throw error;
      },
    ),
  );

/** Waits until the site answers again, then asks for all that was ever acknowledged. */
async function nothingIsLost(): Promise<void> {
  const { entries } = await eventually('the site', read, 60_000);
  assert.deepEqual([...entries].sort(), [...written].sort());
}

interface Component {
  readonly name: string;
  readonly pid: number;
  readonly state: string;
  readonly restarts: number;
}

async function component(name: string): Promise<Component> {
  const { components } = JSON.parse(await lab.k8ts('status', '-o', 'json')) as { components: Component[] };
  return components.find(c => c.name === name)!;
}

/** Processes of the lab's containers on a node, or of one program in them. */
function contained(node: string, program?: string): number[] {
  return processes().flatMap(({ pid, cgroup, command }) =>
    cgroup.includes(`/k8ts/${lab.name}/${node}/`) && (!program || command.startsWith(program)) ? [pid] : [],
  );
}

function processes(): { pid: number; cgroup: string; command: string }[] {
  return readdirSync('/proc').flatMap(name => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const look = (file: string) => readFileSync(`/proc/${name}/${file}`, 'utf8');
      return [{ pid: Number(name), cgroup: look('cgroup'), command: look('cmdline').replaceAll('\0', ' ') }];
    } catch {
      return [];
    }
  });
}

/** Those that go with one that was killed before are gone already. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function killComponent(name: string, more: readonly number[] = []): Promise<void> {
  const { pid, restarts } = await component(name);
  for (const p of [pid, ...more]) kill(p);
  await eventually(`${name} to be back`, async () => {
    const now = await component(name);
    return now.restarts > restarts && now.state === 'ready' && now.pid !== pid;
  });
}

const containerIds = async () =>
  (await Promise.all(['redis', 'api', 'web'].map(pods)))
    .flat()
    .filter(isReady)
    .flatMap(pod => pod.status.containerStatuses?.map(c => c.containerID) ?? [])
    .sort();

function step(name: string, run: () => Promise<void>): void {
  test(name, async t => {
    if (unavailable) t.skip(unavailable);
    else await run();
  });
}

describe('the guestbook', () => {
  step('is deployed from the registry and keeps what is written', async () => {
    await deploy();
    await settled(60_000);
    for (const text of ['first', 'second', 'ünï¢ödé 🙂']) await write(text);
    const page = await read();
    assert.deepEqual([page.title, page.version, page.entries], ['Guestbook', '1', written]);
    const front = await fetch(site);
    assert.match(front.headers.get('content-type') ?? '', /^text\/html/);
    assert.match(await front.text(), /<title>Guestbook/);
  });

  step('rolls out a new version under load without a failed request', async () => {
    const failures: unknown[] = [];
    const versions = new Set<string>();
    let asked = 0;
    let over = false;
    const visitor = async (name: number) => {
      for (let i = 0; !over && failures.length === 0; i++) {
        try {
          if (i % 10 === 0) await write(`visitor ${name}, ${i}`);
          else versions.add((await read()).version);
          asked++;
        } catch (error) {
          failures.push(error);
        }
      }
    };
    const visitors = [1, 2, 3].map(visitor);
    try {
      await eventually('visitors', async () => asked > 20);
      await deploy(text => text.replace('guestbook-api:1', 'guestbook-api:2'));
      await settled(60_000);
      const before = asked;
      await eventually('more visitors', async () => asked > before + 20);
    } finally {
      over = true;
      await Promise.all(visitors);
    }
    assert.deepEqual(failures, []);
    assert.deepEqual([...versions].sort(), ['1', '2']);
    assert.equal((await read()).version, '2');
    await nothingIsLost();
  });

  step('a killed pod is replaced', async () => {
    const [victim] = await pods('api');
    await api.delete(coreV1.pods, { namespace, name: victim!.metadata.name }, { gracePeriodSeconds: 0 });
    await eventually('two other pods', async () => {
      const ready = (await pods('api')).filter(isReady);
      return ready.length === 2 && ready.every(pod => pod.metadata.uid !== victim!.metadata.uid);
    });
    await writeAgain('after the pod');
    await nothingIsLost();
  });

  step('a killed container is started again in its pod', async () => {
    const [redis] = await pods('redis');
    const [pid, ...others] = contained(redis!.spec.nodeName!, 'redis-server');
    assert.deepEqual(others, []);
    process.kill(pid!, 'SIGKILL');
    const again = await eventually('the container', async () => {
      const [pod] = await pods('redis');
      return pod?.status.containerStatuses?.[0]?.restartCount === 1 && isReady(pod) && pod;
    });
    assert.equal(again.metadata.uid, redis!.metadata.uid);
    assert.equal(again.status.containerStatuses?.[0]?.lastState?.terminated?.exitCode, 137);
    await nothingIsLost();
    await writeAgain('after the container');
  });

  step("a killed agent comes back and leaves its node's containers alone", async () => {
    const ids = await containerIds();
    await killComponent('node-2');
    await settled();
    assert.deepEqual(await containerIds(), ids);
    await writeAgain('after the agent');
    await nothingIsLost();
  });

  step('a node that loses everything at once starts its pods again', async () => {
    const [redis] = await pods('redis');
    const node = redis!.spec.nodeName!;
    const ids = (await pods('redis')).map(p => p.status.containerStatuses![0]!.containerID);
    const below = [`/var/lib/k8ts/${lab.name}/${node}/`, `/run/k8ts/${lab.name}/${node}/`];
    const runtime = processes()
      .filter(({ command }) => /containerd/.test(command) && below.some(path => command.includes(path)))
      .map(({ pid }) => pid);
    assert.ok(runtime.length > 1, 'containerd and its shims are found');
    await killComponent(node, [...runtime, ...contained(node)]);
    await eventually('Redis', async () => {
      const [pod] = await pods('redis');
      return pod && isReady(pod) && !ids.includes(pod.status.containerStatuses?.[0]?.containerID);
    });
    await settled();
    await writeAgain('after the node');
    await nothingIsLost();
  });

  step('a control plane killed by -9 comes back with all it knew', async () => {
    const ids = await containerIds();
    const known = await api.list(appsV1.deployments, { namespace });
    await killComponent('server');
    await settled();
    const after = await api.list(appsV1.deployments, { namespace });
    const uids = (list: typeof known) => list.items.map(d => d.metadata.uid);
    assert.deepEqual(uids(after), uids(known));
    assert.deepEqual(await containerIds(), ids);
    await writeAgain('after the control plane');
    await nothingIsLost();
  });
});
