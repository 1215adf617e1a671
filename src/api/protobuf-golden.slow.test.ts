// Every pair of JSON and protobuf that Kubernetes ships in the Go module k8s.io/api: HEAD and the releases before it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { messageOf } from '../base/assert.ts';
import { normalize } from './decode.ts';
import type { KubeObject } from './meta.ts';
import { decodeProtobuf, encodeProtobuf } from './protobuf.ts';
import { builtinResources } from './resource.ts';
import { isTypeName } from './schema.ts';

const module = 'k8s.io/api@v0.36.2';

/** Where the module's test data lies, fetched when it is not in the module cache; or why it is not to be had. */
function goldenFolder(): { folder: string } | { missing: string } {
  try {
    const out = execFileSync('go', ['mod', 'download', '-json', module], { timeout: 60_000, stdio: 'pipe' });
    const { Dir } = JSON.parse(out.toString()) as { Dir: string };
    return { folder: join(Dir, 'testdata') };
  } catch (error) {
    const { code, stdout, message } = error as { code?: string; stdout?: Buffer; message: string };
    if (code === 'ENOENT') return { missing: `Go is not installed, and it brings the test data of ${module}` };
    return { missing: `${module} cannot be fetched: ${(stdout?.toString() || message).trim().split('\n').at(-1)}` };
  }
}

const golden = goldenFolder();
const skip = 'missing' in golden ? golden.missing : false;
const folder = 'folder' in golden ? golden.folder : '';
const releases = folder ? readdirSync(folder).filter(f => /^v1\.\d+\.0$/.test(f)) : [];

interface Pair {
  readonly name: string;
  readonly typeName: string;
  readonly json: KubeObject;
  readonly yaml: unknown;
  readonly proto: Buffer;
  /** What 1.36 makes of it, where that is something else. */
  readonly after: { readonly json?: unknown; readonly proto?: Buffer };
}

const served = builtinResources();
function typeNameOf(apiVersion: string, kind: string): string | undefined {
  const common = `io.k8s.apimachinery.pkg.apis.meta.v1.${kind}`;
  return served.typeNameOf(apiVersion, kind) ?? (isTypeName(common) ? common : undefined);
}

/** The pairs of one release whose kind is ours, and how many are not. */
function pairsOf(release: string): { pairs: Pair[]; others: string[] } {
  const pairs: Pair[] = [];
  const others: string[] = [];
  const at = join(folder, release);
  for (const file of readdirSync(at)) {
    if (!file.endsWith('.pb') || file.includes('.after_roundtrip')) continue;
    const name = file.slice(0, -3);
    const read = (ending: string) =>
      existsSync(join(at, name + ending)) ? readFileSync(join(at, name + ending)) : undefined;
    const json = JSON.parse(read('.json')!.toString()) as KubeObject;
    const typeName = json.apiVersion && typeNameOf(json.apiVersion, json.kind ?? '');
    if (!typeName) {
      others.push(name);
      continue;
    }
    const afterJson = read('.after_roundtrip.json');
    const afterProto = read('.after_roundtrip.pb');
    pairs.push({
      name,
      typeName,
      json,
      yaml: parse(read('.yaml')!.toString()),
      proto: read('.pb')!,
      after: {
        ...(afterJson ? { json: JSON.parse(afterJson.toString()) } : {}),
        ...(afterProto ? { proto: afterProto } : {}),
      },
    });
  }
  return { pairs, others };
}

/** Runs `check` on every pair; one failure does not hide the next. */
function checkAll(pairs: readonly Pair[], check: (pair: Pair) => void): void {
  const failures: string[] = [];
  for (const pair of pairs)
    try {
      check(pair);
    } catch (error) {
      failures.push(`${pair.name}: ${messageOf(error).slice(0, 1500)}`);
    }
  assert.equal(failures.length, 0, `${failures.length} of ${pairs.length}:\n${failures.slice(0, 6).join('\n')}`);
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

test('HEAD: JSON, YAML and protobuf are one object, and the same bytes both ways', { skip }, t => {
  const { pairs, others } = pairsOf('HEAD');
  checkAll(pairs, ({ typeName, json, yaml, proto }) => {
    const object = normalize(typeName, json);
    assert.equal(JSON.stringify(object), JSON.stringify(json));
    assert.equal(JSON.stringify(normalize(typeName, yaml)), JSON.stringify(json));
    assert.equal(JSON.stringify(decodeProtobuf(proto).object), JSON.stringify(json));
    assert.equal(hex(encodeProtobuf(typeName, object)), hex(proto));
  });
  t.diagnostic(`${pairs.length} kinds; not served by 1.36: ${others.join(' ')}`);
  assert.ok(pairs.length >= 126);
});

test('there are older releases to read', { skip }, () => assert.ok(releases.length >= 2));

for (const release of releases) {
  test(`${release}: what it wrote is read, and written as 1.36 does`, { skip }, t => {
    const { pairs } = pairsOf(release);
    checkAll(pairs, ({ typeName, json, yaml, proto, after }) => {
      const object = normalize(typeName, json);
      const expected = JSON.stringify(after.json ?? json);
      assert.equal(JSON.stringify(object), expected);
      assert.equal(JSON.stringify(normalize(typeName, yaml)), expected);
      assert.equal(JSON.stringify(decodeProtobuf(proto).object), expected);
      assert.equal(hex(encodeProtobuf(typeName, object)), hex(after.proto ?? proto));
    });
    t.diagnostic(`${pairs.length} kinds`);
    assert.ok(pairs.length >= 100);
  });
}
