import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { createDescriber } from '../../api/description.ts';
import { builtinResources, type Resource } from '../../api/resource.ts';
import { GzipTrailer, gzipHeader, type Packed, unpack } from '../packed-parts.ts';
import type { Source } from './documents.ts';
import { formsV2, PackedV2 } from './packed-v2.ts';
import { encodeV2 } from './protobuf-v2.ts';
import type { Json } from './schema.ts';
import { builtinV2, customV2, headV2 } from './version2.ts';

const builtin = builtinResources().resources.filter(r => r.group === 'batch');

const custom = (group: string): Resource => ({
  ...builtin[0]!,
  ...{ group, resource: 'widgets', kind: 'Widget', typeName: '', fieldSelectors: new Map(), subresources: new Map() },
});

/** Counts whose schemas are asked for, in version 2. */
function sourceOf(resources: readonly Resource[], more: Partial<Source> = {}): Source & { readonly asked: string[] } {
  const asked: string[] = [];
  const customSchema = ({ group }: Resource, openApi: 2 | 3): Json => {
    if (openApi === 2) asked.push(group);
    return { description: `${group}, "quoted"`, properties: {} };
  };
  return { resources: [...builtin, ...resources], version: 'v1', customSchema, asked, ...more };
}

async function unpacked(parts: readonly Packed[]): Promise<Buffer> {
  const trailer = new GzipTrailer();
  for (const part of parts) trailer.add(part);
  const whole = gunzipSync(Buffer.concat([gzipHeader, ...parts.map(p => p.bytes), trailer.bytes]));
  assert.ok(whole.equals(Buffer.concat(await Promise.all(parts.map(unpack)))));
  return whole;
}

/** All at once, as the document would be without pieces. */
async function whole(source: Source): Promise<Json> {
  const describe = createDescriber();
  const first = await builtinV2(source);
  const parts = [first, ...source.resources.filter(r => !r.typeName).map(r => customV2(r, source, describe))];
  const all = (key: 'paths' | 'definitions') => Object.fromEntries(parts.flatMap(part => [...part[key]]));
  return { ...headV2(source), paths: all('paths'), definitions: all('definitions') };
}

const groups = Array.from({ length: 60 }, (_, i) => `g${i}.example.com`);

test('the pieces are the document, also after what is served changed', async () => {
  const packed = new PackedV2(formsV2.json);
  const all = groups.map(custom);
  for (const some of [[], all, all.slice(5), [custom('other.example.com'), ...all.slice(2)], all.slice(0, 1)]) {
    const source = sourceOf(some);
    assert.deepEqual(JSON.parse((await unpacked(await packed.make(source))).toString()), await whole(source));
  }
});

test('a definition more, less or changed costs those next to it, not all others', async () => {
  for (const form of [formsV2.json, formsV2.protobuf]) {
    const packed = new PackedV2(form);
    const all = groups.map(custom);
    const first = sourceOf(all);
    await packed.make(first);
    assert.equal(first.asked.length, all.length);
    for (const some of [
      [...all, custom('more.example.com')],
      all.toSpliced(30, 1),
      all.with(20, { ...all[20]!, verbs: ['get'] }),
    ]) {
      const source = sourceOf(some);
      await packed.make(source);
      assert.ok(source.asked.length <= 32, `${source.asked.length} were asked for`);
    }
  }
});

test('the pieces in protobuf hold what the whole document in protobuf holds', async () => {
  const source = sourceOf(groups.slice(0, 20).map(custom));
  const bytes = await unpacked(await new PackedV2(formsV2.protobuf).make(source));
  const { paths, definitions, ...head } = (await whole(source)) as Record<string, Json>;
  const entries = (of: Json) => new Map(Object.entries(of)) as Map<string, Json>;
  const once = encodeV2(head as Json, entries(paths!), entries(definitions!));
  // Sections begin anew with each part; of what is in them nothing differs.
  assert.ok(bytes.length >= once.length && bytes.length < once.length * 1.02);
  for (const name of ['example.g7.v1.Widget', 'io.k8s.api.batch.v1.Job'].map(n =>
    n.replace('example.g7', 'com.example.g7'),
  ))
    assert.equal(bytes.indexOf(name) >= 0, once.indexOf(name) >= 0);
});

test('the loop goes on between resources', async () => {
  let turns = 0;
  let going = true;
  const turn = () => {
    turns++;
    if (going) setImmediate(turn);
  };
  setImmediate(turn);
  await new PackedV2(formsV2.json).make(sourceOf(groups.map(custom)));
  going = false;
  assert.ok(turns > groups.length, `${turns} turns`);
});

test('what another server tells of a group version stands for it', async () => {
  const remote = {
    id: 'apis/g1.example.com/v1',
    hash: 'h',
    urls: new Map(),
    paths: new Map([['/apis/g1.example.com/v1/widgets', { get: {} }]]),
    definitions: new Map([['com.example.g1.v1.Widget', { description: 'theirs' }]]),
  };
  const packed = new PackedV2(formsV2.json);
  const source = sourceOf(groups.slice(0, 3).map(custom), { remote: [remote] });
  const document = JSON.parse((await unpacked(await packed.make(source))).toString());
  assert.deepEqual(document.paths['/apis/g1.example.com/v1/widgets'], { get: {} });
  assert.equal(document.definitions['com.example.g1.v1.Widget'].description, 'theirs');
  assert.ok(document.definitions['com.example.g2.v1.Widget']);
  const without = JSON.parse(
    (await unpacked(await packed.make(sourceOf(source.resources.slice(builtin.length))))).toString(),
  );
  assert.match(without.definitions['com.example.g1.v1.Widget'].description, /quoted/);
});
