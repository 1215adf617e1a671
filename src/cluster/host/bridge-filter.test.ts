import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { loadBridgeFilter } from './bridge-filter.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'k8ts-bridge-filter-'));
});
afterEach(() => rmSync(home, { recursive: true }));

const iptables = () => join(home, 'bridge', 'bridge-nf-call-iptables');
const options = (script: string) => {
  const modprobe = join(home, 'modprobe');
  writeFileSync(modprobe, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return { directory: join(home, 'bridge'), modprobe };
};
const loading = (d: string) =>
  `mkdir ${d}/bridge; for f in ip ip6 arp; do echo 1 > ${d}/bridge/bridge-nf-call-\${f}tables; done`;

test('loads the module, and leaves the machine its own bridges', async () => {
  assert.equal(await loadBridgeFilter({ ...options(loading(home)), onlyNamespaces: true }), undefined);
  assert.equal(readFileSync(iptables(), 'utf8'), '0');
});

test('a node on the machine itself has it on', async () => {
  assert.equal(await loadBridgeFilter(options(loading(home))), undefined);
  assert.equal(readFileSync(iptables(), 'utf8'), '1\n');
});

test('what is loaded stays as it is', async () => {
  mkdirSync(join(home, 'bridge'));
  writeFileSync(iptables(), '1\n');
  assert.equal(await loadBridgeFilter({ ...options(`touch ${home}/called`), onlyNamespaces: true }), undefined);
  assert.equal(readFileSync(iptables(), 'utf8'), '1\n');
  assert.equal(existsSync(join(home, 'called')), false);
});

test('a kernel without it is told of', async () => {
  const absent = await loadBridgeFilter(options('echo "modprobe: FATAL: Module br_netfilter not found" >&2; exit 1'));
  assert.match(
    absent ?? '',
    /^the kernel has no br_netfilter: pods will not reach services .*Module br_netfilter not found/,
  );
  assert.match((await loadBridgeFilter({ ...options(''), modprobe: '/nonexistent' })) ?? '', /ENOENT/);
});
