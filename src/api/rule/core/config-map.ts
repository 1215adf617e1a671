// The rules of ConfigMaps.
import { path } from '../../field-error.ts';
import { isConfigMapKey } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { ConfigMap } from '../../type/core-v1.ts';
import { binaryBytes, MAX_DATA_BYTES, textBytes, validateStillImmutable } from './immutable-data.ts';

const DATA = path('data');
const BINARY = path('binaryData');

export const configMapStrategy: Strategy<ConfigMap> = {
  nameRule: 'dnsSubdomain',
  validate(map, errors) {
    const { data, binaryData } = map;
    for (const key in data) {
      for (const m of isConfigMapKey(key)) errors.invalid(DATA.key(key), key, m);
      if (binaryData && Object.hasOwn(binaryData, key))
        errors.invalid(DATA.key(key), key, 'duplicate of key present in binaryData');
    }
    for (const key in binaryData) for (const m of isConfigMapKey(key)) errors.invalid(BINARY.key(key), key, m);
    if (textBytes(data) + binaryBytes(binaryData) > MAX_DATA_BYTES) errors.tooLong(path('[]'), MAX_DATA_BYTES);
  },
  validateUpdate(now, old, errors) {
    validateStillImmutable(now, old, ['data', 'binaryData'], errors);
  },
};
