// `k8ts doctor` on a machine that lacks something: stand-ins on the PATH play the kernel that refuses.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { mainScript } from '../../bin/entry.js';
import { labNamespaces } from './lab/lab.ts';

const main = mainScript();
const home = mkdtempSync(join(tmpdir(), 'k8ts-doctor-'));
after(() => rmSync(home, { recursive: true }));

const doctor = (path: string, ...args: string[]) => k8ts(path, 'doctor', ...args);

function k8ts(path: string, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { ...process.env, PATH: path, HOME: home, K8TS_STATE_DIR: join(home, 'state') };
  return new Promise(resolve => {
    execFile(process.execPath, [main, ...args], { env }, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
    );
  });
}

before(() => {
  // As the kernel answers without the vxlan and bridge drivers, and without nf_tables.
  writeFileSync(
    join(home, 'ip'),
    '#!/bin/sh\nread line\ncase "$line" in *bridge*|*vxlan*) echo "RTNETLINK answers: Operation not supported" >&2; exit 2;; esac\n',
    { mode: 0o755 },
  );
  writeFileSync(join(home, 'nft'), '#!/bin/sh\necho "Error: Could not process rule: Not supported" >&2; exit 1\n', {
    mode: 0o755,
  });
});

test('a kernel without bridges, VXLAN and nftables', async () => {
  const { code, stdout, stderr } = await doctor(`${home}:${process.env.PATH}`);
  assert.equal(code, 1);
  assert.match(stdout, /^PROBLEM {2}bridge: .*Operation not supported.* -> modprobe bridge, or a kernel that has it$/m);
  assert.match(stdout, /^PROBLEM {2}nftables: .*Not supported.* -> modprobe nf_tables, or a kernel that has it$/m);
  // Only clusters of several machines need it.
  assert.match(stdout, /^warning {2}vxlan: /m);
  assert.match(stdout, /^ok {7}veth: works$/m);
  assert.match(stderr, /^k8ts: \d+ problems? found$/m);
});

test('the same as JSON, and a machine that has it all', async () => {
  const { stdout } = await doctor(`${home}:${process.env.PATH}`, '-o', 'json');
  const findings = new Map(JSON.parse(stdout).map((f: { name: string }) => [f.name, f]));
  assert.deepEqual((findings.get('bridge') as { level: string }).level, 'problem');
  const healthy = await doctor(process.env.PATH!, '-o', 'json');
  for (const f of JSON.parse(healthy.stdout)) assert.notEqual(f.level, 'problem', `${f.name}: ${f.found}`);
  assert.equal(healthy.code, 0);
});

test('up says at once that the kernel has no nftables, and leaves nothing', async () => {
  const only = join(home, 'only-nft');
  mkdirSync(only);
  copyFileSync(join(home, 'nft'), join(only, 'nft'));
  const name = `t${process.pid}`;
  const { code, stderr } = await k8ts(`${only}:${process.env.PATH}`, 'up', '--name', name);
  assert.equal(code, 1, stderr);
  assert.match(
    stderr,
    /^k8ts: services need nftables, which this kernel refuses: .*Not supported\n {2}modprobe nf_tables, or a kernel that has it; k8ts doctor looks at the rest$/m,
  );
  assert.equal(existsSync(join(home, 'state', name)), false);
  assert.deepEqual(labNamespaces(name), []);
});
