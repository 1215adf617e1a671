// Protobuf forms to the byte as gnostic-models, which Kubernetes' servers make theirs with, writes them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { encodeV2 } from './protobuf-v2.ts';
import { encodeV3 } from './protobuf-v3.ts';
import type { Json } from './schema.ts';

type Sample = { readonly document: Json; readonly bytes: string };
const samples: Record<string, Sample> = JSON.parse(
  readFileSync(new URL('testdata/protobuf.json', import.meta.url), 'utf8'),
);
const entries = (of: unknown) => new Map(Object.entries(of as Record<string, Json>));

test('version 2', () => {
  const { document, bytes } = samples['2']!;
  const { paths, definitions, ...head } = document;
  assert.equal(encodeV2(head, entries(paths), entries(definitions)).toString('base64'), bytes);
});

test('version 3', () => {
  const { document, bytes } = samples['3']!;
  assert.equal(encodeV3(document).toString('base64'), bytes);
});
