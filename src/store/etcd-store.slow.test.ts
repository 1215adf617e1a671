// The store contract on a real etcd, and what only etcd has: other writers, restarts, shared compaction, TLS, a full quota.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { systemClock, VirtualClock } from '../base/clock.ts';
import { createLog } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { createCa, issueCertificate } from '../base/x509.ts';
import { etcd } from './etcd-api.ts';
import { EtcdChannel, type EtcdTls } from './etcd-channel.ts';
import { EtcdStore, openEtcdStore, tellsProgress } from './etcd-store.ts';
import {
  type Store,
  StoreCompactedError,
  StoreConflictError,
  type StoreEvent,
  StoreFullError,
  StoreUnavailableError,
  type StoreWatchHandler,
} from './store.ts';
import { storeConformance } from './store-conformance.ts';
import { StoreDamagedError } from './store-error.ts';
import { type EtcdProcess, missingEtcd, startEtcd } from './test-etcd.ts';
import { bytes, type OpenedStore, Recorder } from './test-store.ts';

const missing = await missingEtcd();
const log = createLog('etcd', { level: 'error' });
let server: EtcdProcess;
let prefixes = 0;

const open = (prefix: string, options: { servers?: string[]; compactEveryMs?: number } = {}): Promise<EtcdStore> =>
  openEtcdStore({ servers: [server.url], prefix, root: '', clock: systemClock, random: systemRandom, log, ...options });

// etcd's revisions go on from test to test: each test sees them from 0.
class FromZero implements Store {
  readonly #store: EtcdStore;
  readonly #base: number;

  constructor(store: EtcdStore, base = store.revision) {
    this.#store = store;
    this.#base = base;
  }

  get revision(): number {
    return this.#store.revision - this.#base;
  }

  get compactedRevision(): number {
    return Math.max(0, this.#store.compactedRevision - this.#base);
  }

  #up = (revision: number) => (revision > 0 ? revision + this.#base : 0);
  #down = (revision: number) => (revision > 0 ? revision - this.#base : 0);

  async get(key: string) {
    const entry = await this.#store.get(key).catch(this.#rethrow);
    return entry && { ...entry, revision: this.#down(entry.revision) };
  }

  async list(prefix: string, options: { limit?: number; after?: string; revision?: number } = {}) {
    const revision = this.#up(options.revision ?? 0);
    const page = await this.#store.list(prefix, { ...options, revision }).catch(this.#rethrow);
    const entries = page.entries.map(e => ({ ...e, revision: this.#down(e.revision) }));
    return { ...page, entries, revision: this.#down(page.revision) };
  }

  create: Store['create'] = (key, encode, options) =>
    this.#store.create(key, encode, options).then(this.#down, this.#rethrow);
  update: Store['update'] = (key, ifRevision, encode, options) =>
    this.#store.update(key, this.#up(ifRevision), encode, options).then(this.#down, this.#rethrow);
  delete: Store['delete'] = (key, ifRevision, encode) =>
    this.#store.delete(key, this.#up(ifRevision), encode).then(this.#down, this.#rethrow);

  #rethrow = (error: unknown): never => {
    if (error instanceof StoreConflictError) throw new StoreConflictError(error.key, this.#down(error.currentRevision));
    throw error;
  };

  watch(prefix: string, after: number, handler: StoreWatchHandler) {
    const down = (e: StoreEvent): StoreEvent => ({
      ...e,
      revision: this.#down(e.revision),
      previousRevision: this.#down(e.previousRevision),
    });
    return this.#store.watch(prefix, after + this.#base, {
      onEvents: events => handler.onEvents(events.map(down)),
      onError: error => handler.onError(error),
    });
  }

  compact = (revision: number) => this.#store.compact(revision + this.#base);
  snapshot = (file: string) => this.#store.snapshot(file);
  close = () => this.#store.close();
}

async function openFromZero(): Promise<OpenedStore> {
  const prefix = `/conformance-${String(++prefixes).padStart(6, '0')}`;
  const first = await open(prefix);
  const base = first.revision;
  const opened: EtcdStore[] = [first];
  return {
    store: new FromZero(first, base),
    clock: new VirtualClock(),
    async reopen() {
      await opened.at(-1)!.close();
      opened.push(await open(prefix));
      return new FromZero(opened.at(-1)!, base);
    },
    cleanup: () => opened.at(-1)!.close(),
  };
}

function onlyEtcd(): void {
  test('etcd: a crash of etcd loses nothing acknowledged, and a watch goes on where it was', async t => {
    const own = await startEtcd();
    t.after(() => own.remove());
    const store = await open('/crash', { servers: [own.url] });
    t.after(() => store.close());
    const recorder = new Recorder(store, '/', store.revision);
    const acknowledged: number[] = [];
    const failures: Error[] = [];
    let writing = true;
    const write = async (who: number) => {
      for (let i = 0; writing; i++) {
        try {
          acknowledged.push(await store.create(`/${who}/${i}`, bytes('1')));
        } catch (error) {
          failures.push(error as Error);
        }
      }
    };
    const writers = Promise.all([0, 1, 2, 3].map(write));
    for (let round = 0; round < 2; round++) {
      const before = acknowledged.length;
      await recorder.until(() => acknowledged.length > before + 100);
      await own.kill();
      await own.start();
    }
    const last = acknowledged.length;
    await recorder.until(() => acknowledged.length > last + 100);
    writing = false;
    await writers;
    assert.deepEqual(recorder.errors, []);
    const told = recorder.revisions;
    assert.deepEqual(
      told,
      [...new Set(told)].sort((a, b) => a - b),
    );
    assert.deepEqual(
      acknowledged.filter(revision => !told.includes(revision)),
      [],
    );
    assert.equal((await store.list('/')).entries.length, told.length);
    for (const failure of failures) assert.ok(failure instanceof StoreUnavailableError, String(failure));
  });

  test('etcd: data that is older than what it had is noticed, and watches end', async t => {
    const own = await startEtcd();
    t.after(() => own.remove());
    const store = await open('/back', { servers: [own.url] });
    t.after(() => store.close());
    const recorder = new Recorder(store, '/', store.revision);
    await store.create('/a', bytes('1'));
    await own.kill();
    own.empty();
    await own.start();
    await assert.rejects(store.newestRevision(), (error: Error) => {
      assert.ok(error instanceof StoreDamagedError);
      assert.match(error.message, /^etcd has gone back from revision \d+ to 1: .*Start all API servers again/);
      return true;
    });
    assert.ok(recorder.errors[0] instanceof StoreDamagedError);
  });

  test('etcd: of several servers the first that answers is used', async () => {
    const store = await open('/several', { servers: ['http://127.0.0.1:1', server.url] });
    await store.create('/a', bytes('1'));
    assert.equal((await store.list('/')).entries.length, 1);
    await store.close();
    await assert.rejects(open('/bad', { servers: ['127.0.0.1'] }), RangeError);
  });

  test('etcd: servers compact in turns what was newest at the turn before', async () => {
    const [one, two] = [await open('/turns'), await open('/turns')];
    assert.equal(await one.compactInTurn(), 0);
    const newest = await one.create('/a', bytes('1'));
    await one.update('/a', newest, bytes('2'));
    // The second finds that the first was there.
    assert.equal(await two.compactInTurn(), 0);
    const compacted = await one.compactInTurn();
    assert.ok(compacted > 0 && compacted < newest, `${compacted} of ${newest}`);
    assert.equal(one.compactedRevision, compacted);
    assert.equal(await two.compactInTurn(), 0);
    assert.equal(two.compactedRevision, compacted);
    await assert.rejects(two.list('/', { revision: compacted - 1 }), StoreCompactedError);
    await Promise.all([one.close(), two.close()]);
  });

  test('etcd: a watch that was away for longer than history is kept is told to start again', async t => {
    const own = await startEtcd();
    t.after(() => own.remove());
    const store = await open('/away', { servers: [own.url] });
    t.after(() => store.close());
    const after = store.revision;
    const first = await store.create('/a', bytes('1'));
    const second = await store.update('/a', first, bytes('2'));
    await store.compact(second);
    // This one does not know of the compaction yet.
    const other = await open('/away', { servers: [own.url] });
    t.after(() => other.close());
    assert.equal(other.compactedRevision, second);
    assert.throws(() => other.watch('/', after, { onEvents() {}, onError() {} }), StoreCompactedError);
  });

  // What an etcd of 3.6 is asked, this one, with nothing else under way, answers too.
  for (const version of ['3.4.23', '3.6.0'])
    test(`etcd: what other prefixes write is known to a watch, with etcd ${version}`, async () => {
      const options = {
        servers: [server.url],
        prefix: '/mine',
        root: '',
        clock: systemClock,
        random: systemRandom,
        log,
      };
      const theirs = await open('/theirs');
      const state = { revision: theirs.revision, compacted: theirs.compactedRevision, version };
      const mine = new EtcdStore(options, new EtcdChannel(options), state);
      const seen = Promise.withResolvers<void>();
      const events: string[] = [];
      let reached = 0;
      let foreign = Number.POSITIVE_INFINITY;
      const note = (revision: number) => {
        reached = Math.max(reached, revision);
        if (reached >= foreign) seen.resolve();
      };
      mine.watch('', mine.revision, {
        onEvents(list) {
          events.push(...list.map(e => e.key));
          note(list.at(-1)!.revision);
        },
        onProgress: note,
        onError: error => seen.reject(error),
      });
      foreign = await theirs.create(`/${version}`, bytes('1'));
      assert.ok((await mine.newestRevision()) >= foreign);
      await seen.promise;
      // The old one cannot be asked: a mark is written.
      assert.deepEqual(events, version === '3.6.0' ? [] : ['/k8ts.dev/progress']);
      await Promise.all([mine.close(), theirs.close()]);
    });

  test('etcd: which versions tell of progress truly', () => {
    const versions = ['3.3.99', '3.4.30', '3.4.31', '3.5.0', '3.5.12', '3.5.13', '3.6.0-rc.1', '3.7.2', '4.0.0'];
    assert.deepEqual(versions.filter(tellsProgress), ['3.4.31', '3.5.13', '3.6.0-rc.1', '3.7.2', '4.0.0']);
  });

  test('etcd: keys with a time to live share leases', async () => {
    const store = await open('/leases');
    const ttlMs = 3_600_000;
    await Promise.all(Array.from({ length: 50 }, (_, i) => store.create(`/e${i}`, bytes('1'), { ttlMs })));
    const { stdout } = await promisify(execFile)('curl', ['-s', '-d', '{}', `${server.url}/v3/lease/leases`]);
    const { leases = [] } = JSON.parse(stdout) as { leases?: unknown[] };
    assert.ok(leases.length < 10, `${leases.length} leases`);
    await store.close();
  });

  test('etcd: over TLS with a certificate of the client', async t => {
    const directory = mkdtempSync(join(tmpdir(), 'k8ts-etcd-tls-'));
    t.after(() => rmSync(directory, { recursive: true }));
    const certificates = { nowMs: systemClock.now(), random: systemRandom, days: 1 };
    const ca = await createCa({ commonName: 'etcd-ca', ...certificates });
    const issue = (usages: 'server' | 'client') =>
      issueCertificate(ca, {
        subject: { commonName: usages, organizations: [] },
        dnsNames: ['localhost'],
        ipAddresses: ['127.0.0.1'],
        usages,
        ...certificates,
      });
    const [serving, client] = [await issue('server'), await issue('client')];
    const file = (name: string, text: string) => {
      writeFileSync(join(directory, name), text);
      return join(directory, name);
    };
    const flags = ['--cert-file', file('crt', serving.certificatePem), '--key-file', file('key', serving.keyPem)];
    flags.push('--trusted-ca-file', file('ca', ca.certificatePem), '--client-cert-auth');
    const own = await startEtcd(flags, 'https');
    t.after(() => own.remove());
    const base = { servers: [own.url], root: '', clock: systemClock, random: systemRandom, log };
    const tls = { ca: ca.certificatePem, cert: client.certificatePem, key: client.keyPem };
    const store = await openEtcdStore({ ...base, tls });
    assert.ok((await store.create('/a', bytes('1'))) > 0);
    await store.close();
    const other = await createCa({ commonName: 'other-ca', ...certificates });
    const refused = async (given: EtcdTls, why: RegExp) => {
      const channel = new EtcdChannel({ ...base, tls: given });
      await assert.rejects(channel.call(etcd.status, {}, 1000), ({ message }: Error) => {
        assert.match(message, why);
        assert.doesNotMatch(message, /Resolution note|--use-system-ca|\n/);
        return true;
      });
      channel.close();
    };
    await refused({ ...tls, ca: other.certificatePem }, /unable to verify the first certificate|unable to get/);
    await refused({ ca: tls.ca }, /alert bad certificate|certificate required/);
  });

  test('etcd: a full quota is a full store; reads and deletes go on', async t => {
    const own = await startEtcd(['--quota-backend-bytes', String(2 << 20)]);
    t.after(() => own.remove());
    const store = await open('/full', { servers: [own.url] });
    t.after(() => store.close());
    const value = Buffer.alloc(200_000, 'k8ts');
    let first = 0;
    const fill = async () => {
      for (let i = 0; i < 100; i++) first ||= await store.create(`/${i}`, () => value);
      for (let i = 0; i < 100; i++) await store.create(`/more-${i}`, () => value);
    };
    await assert.rejects(fill(), StoreFullError);
    assert.equal((await store.get('/0'))?.revision, first);
    assert.ok((await store.delete('/0', first)) > first);
  });
}

if (missing !== undefined) test('etcd', { skip: missing }, () => {});
else {
  before(async () => {
    server = await startEtcd(['--max-request-bytes', String(8 << 20)]);
  });
  after(() => server?.remove());
  storeConformance('etcd', openFromZero, { decidesAtOnce: false });
  onlyEtcd();
}
