// Informers before apiextensions-apiserver, as Kubernetes publishes it, through connections that break and are refused.
import assert from 'node:assert/strict';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import type { KubeObject } from '../../src/api/meta.ts';
import type { ResourceRef } from '../../src/api/ref.ts';
import { definition, establish, widget, widgets } from '../../src/apiserver/custom/test-definition.ts';
import { mergePatch } from '../../src/apiserver/test-caller.ts';
import { startTestServer, type TestServer } from '../../src/apiserver/test-server.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { createMetrics } from '../../src/base/metrics.ts';
import { seededRandom, systemRandom } from '../../src/base/random.ts';
import { httpClient } from '../../src/client/http-client.ts';
import { createInformerFactory } from '../../src/client/informer-factory.ts';
import { type EtcdProcess, missingEtcd, startEtcd } from '../../src/store/test-etcd.ts';
import { type RealServer, startRealServer } from './real-server.ts';
import { storageProgram } from './storage-process.ts';

const program = await storageProgram();
const skip = (await missingEtcd()) ?? ('missing' in program ? program.missing : false);
const group = 'followed.example';
const path = widgets(group);
const resource = {
  group,
  version: 'v1',
  resource: 'widgets',
  kind: 'Widget',
  namespaced: true,
} as unknown as ResourceRef<KubeObject>;

let etcd: EtcdProcess;
let home: TestServer;
let real: RealServer;
before(async () => {
  if (skip) return;
  etcd = await startEtcd();
  home = await startTestServer();
  real = await startRealServer({
    program: (program as { path: string }).path,
    name: 'definitions',
    etcd: etcd.url,
    home,
  });
  await establish(real.api, definition(group));
});
after(async () => {
  await real?.stop();
  await home?.stop();
  await etcd?.remove();
});

/** Hands bytes on, until it is told to break what it has, or to let nobody through. */
class Wire {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Connections end after so many bytes from the server: within frames and records. */
  cutAfter = Number.POSITIVE_INFINITY;
  closed = false;
  connections = 0;

  constructor(port: number) {
    this.#server = createServer(near => {
      this.connections++;
      if (this.closed) return void near.destroy();
      const far = connect(port, '127.0.0.1');
      let left = this.cutAfter;
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
      }
      near.pipe(far);
      far.on('data', (chunk: Buffer) => {
        near.write(chunk.subarray(0, left));
        left -= chunk.length;
        if (left <= 0) near.end();
      });
      far.on('end', () => near.end());
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve));
    return `https://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  break(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async stop(): Promise<void> {
    const stopped = new Promise(resolve => this.#server.close(resolve));
    this.break();
    await stopped;
  }
}

/** An informer through a wire of its own; what its handlers were told, held against what it may tell. */
async function follow(streamInitialList: boolean) {
  const wire = new Wire(Number(new URL(real.url).port));
  const { certificatePem: cert, keyPem: key } = home.admin;
  const metrics = createMetrics();
  const client = httpClient({ server: await wire.listen(), ca: real.ca, cert, key, metrics });
  const options = { clock: systemClock, random: systemRandom, log: silentLog, streamInitialList };
  const factory = createInformerFactory(client, options);
  const informer = factory.informer(resource);
  const told = new Map<string, KubeObject>();
  const wrong: string[] = [];
  const check = (holds: boolean, what: string) => holds || wrong.push(what);
  const id = ({ metadata }: KubeObject) => `${metadata.name} ${metadata.uid}`;
  const version = (object: KubeObject | undefined) => Number(object?.metadata.resourceVersion);
  informer.addHandler({
    onAdd(object) {
      check(!told.has(id(object)), `${id(object)} added twice`);
      told.set(id(object), object);
    },
    onUpdate(object, old) {
      check(told.get(id(object)) === old, `${id(object)} changed from what nobody was told`);
      check(version(object) > version(old), `${id(object)} went back`);
      told.set(id(object), object);
    },
    onDelete: object => check(told.delete(id(object)), `${id(object)} deleted that was not there`),
  });
  const stop = new AbortController();
  const running = factory.run(stop.signal);
  return {
    wire,
    informer,
    told,
    wrong,
    requests: async () =>
      (await metrics.text()).match(/^rest_client_requests_total.*$/gm)?.map(l => Number(l.split(' ').at(-1))) ?? [],
    async end() {
      stop.abort();
      await running;
      client.close();
      await wire.stop();
    },
  };
}

test('nothing is lost, told twice or asked for without end', { skip, timeout: 60_000 }, async t => {
  const random = seededRandom(7);
  const below = (n: number) => Math.floor(random.next() * n);
  for (let i = 0; i < 20; i++) await real.api.expect(201, 'POST', path, widget(group, `w${i}`, { spec: { n: 0 } }));
  const [listing, streaming] = [await follow(false), await follow(true)];
  const both = [listing, streaming];
  try {
    await Promise.all(both.map(f => f.informer.whenSynced()));
    for (const f of both) assert.equal(f.informer.lister.size, 20);
    const change = async (n: number) => {
      const name = `w${below(25)}`;
      if (below(3) === 0) await real.api.send('DELETE', `${path}/${name}`);
      else if ((await real.api.send('PATCH', `${path}/${name}`, { spec: { n } }, mergePatch)).code === 404)
        await real.api.expect(201, 'POST', path, widget(group, name, { spec: { n } }));
    };
    for (let round = 0; round < 8; round++) {
      for (const { wire } of both) {
        wire.closed = round === 2 || round === 6;
        wire.cutAfter = round === 1 || round === 4 ? 4000 + below(6000) : Number.POSITIVE_INFINITY;
        if (round % 2 === 0) wire.break();
      }
      // More than a server remembers while nobody is let through.
      for (let n = 0; n < (round === 6 ? 250 : 12); n++) await change(round * 1000 + n);
      await systemClock.sleep(1100);
    }
    for (const { wire } of both) {
      wire.closed = false;
      wire.cutAfter = Number.POSITIVE_INFINITY;
    }
    const { items } = await real.api.expect(200, 'GET', path);
    const wanted = items
      .map((i: KubeObject) => `${i.metadata.name} ${i.metadata.uid} ${i.metadata.resourceVersion}`)
      .sort();
    const shown = (objects: Iterable<KubeObject>) =>
      [...objects].map(o => `${o.metadata.name} ${o.metadata.uid} ${o.metadata.resourceVersion}`).sort();
    for (const f of both) {
      const deadlineMs = systemClock.now() + 40_000;
      while (shown(f.told.values()).join() !== wanted.join() && systemClock.now() < deadlineMs)
        await systemClock.sleep(50);
      assert.deepEqual(shown(f.told.values()), wanted);
      assert.deepEqual(shown(f.informer.lister.list()), wanted);
      assert.deepEqual(f.wrong, []);
      const requests = (await f.requests()).reduce((a, b) => a + b, 0);
      t.diagnostic(`${requests} requests, ${f.wire.connections} connections`);
      assert.ok(requests < 60 && f.wire.connections < 60, `${requests} requests, ${f.wire.connections} connections`);
    }
  } finally {
    await Promise.all(both.map(f => f.end()));
  }
});
