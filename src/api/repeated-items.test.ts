import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyConfiguration } from './apply.ts';
import { shapeOf } from './field-diff.ts';
import { updateManagedFields } from './managed-fields.ts';
import type { KubeObject } from './meta.ts';
import { normalize } from './normalize.ts';
import { recorded, repeatedSteps, shownOf } from './test-repeated.ts';

const typeName = 'io.k8s.api.core.v1.Pod';
const time = '2020-01-01T00:00:00Z';

test('who owns items that come more than once, and keys that Go escapes', () => {
  const common = { typeName, apiVersion: 'v1', subresource: '', time };
  const expected = recorded();
  let live: KubeObject | undefined;
  for (const [i, { manager, apply, body }] of repeatedSteps.entries()) {
    if (apply) {
      const complete = (merged: object) => normalize(typeName, merged as never);
      const config = body as Record<string, unknown>;
      const shape = shapeOf(typeName);
      live = applyConfiguration({ ...common, shape, live, config, manager, force: true, complete }) as KubeObject;
    } else {
      const updated = normalize(typeName, body as never) as KubeObject;
      const managedFields = updateManagedFields({ ...common, old: live, updated, manager, operation: 'Update' });
      live = { ...updated, metadata: { ...updated.metadata, managedFields: [...managedFields] } };
    }
    assert.deepEqual(JSON.parse(JSON.stringify(shownOf(live))), expected[i], `step ${i}`);
  }
});
