import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { StatusError } from '../status.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

type Recorded = [kind: 'Pod' | 'Secret', original: object, patch: object, result: object | string];

/** What k8s.io/apimachinery 0.36.2 makes of patches, without the nulls and directives it leaves in; or its complaint. */
const lines = readFileSync(new URL('testdata/strategic.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n');

test('strategic merge as recorded of apimachinery', () => {
  for (const line of lines) {
    const [kind, original, patch, result] = JSON.parse(line) as Recorded;
    let got: unknown;
    try {
      got = applyStrategicMergePatch(`io.k8s.api.core.v1.${kind}`, original, patch);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      got = error.message;
    }
    assert.deepEqual(got, result, line);
  }
});
