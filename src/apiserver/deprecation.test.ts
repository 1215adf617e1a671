import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtinResources } from '../api/resource.ts';
import { deprecationWarning } from './deprecation.ts';

test('deprecated resources and what to use', () => {
  const warning = (id: string) => deprecationWarning(builtinResources().byId(id)!);
  assert.equal(warning('/v1/pods'), undefined);
  assert.equal(warning('/v1/endpoints'), 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice');
  assert.equal(warning('/v1/componentstatuses'), 'v1 ComponentStatus is deprecated in v1.19+');
  assert.equal(
    warning('storage.k8s.io/v1beta1/volumeattributesclasses'),
    'storage.k8s.io/v1beta1 VolumeAttributesClass is deprecated in v1.34+, unavailable in v1.37+; use storage.k8s.io/v1 VolumeAttributesClass',
  );
  assert.equal(warning('certificates.k8s.io/v1beta1/clustertrustbundles'), undefined);
});
