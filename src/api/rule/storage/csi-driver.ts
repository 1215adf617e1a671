// The rules of CSIDrivers.
import { path } from '../../field-error.ts';
import { IMMUTABLE } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { CSIDriver } from '../../type/storage-v1.ts';
import { validateOneOf } from '../core/pod-common.ts';
import { validateCsiDriverName } from '../core/pod-volume.ts';
import { semanticEqual } from '../record.ts';

const SPEC = path('spec');
const MIN_TOKEN_SECONDS = 600;
const MAX_TOKEN_SECONDS = 2 ** 32;

export const csiDriverStrategy: Strategy<CSIDriver> = {
  nameRule: 'dnsSubdomain',
  allowUnconditionalUpdate: false,
  default({ spec }) {
    if (!spec) return;
    spec.attachRequired ??= true;
    spec.podInfoOnMount ??= false;
    spec.storageCapacity ??= false;
    spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType';
    if (!spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ['Persistent'];
    spec.requiresRepublish ??= false;
    spec.seLinuxMount ??= false;
  },
  validate({ metadata, spec }, errors) {
    validateCsiDriverName(metadata.name, path('metadata.name'), errors);
    if (!spec) return;
    validateOneOf(spec.fsGroupPolicy, ['None', 'File', 'ReadWriteOnceWithFSType'], SPEC.child('fsGroupPolicy'), errors);
    for (const mode of spec.volumeLifecycleModes ?? [])
      validateOneOf(mode, ['Ephemeral', 'Persistent'], SPEC.child('volumeLifecycleModes'), errors);
    const seen = new Set<string>();
    for (const [i, { audience, expirationSeconds: seconds }] of (spec.tokenRequests ?? []).entries()) {
      const at = SPEC.child('tokenRequests').index(i);
      if (seen.has(audience)) errors.duplicate(at.child('audience'), audience);
      seen.add(audience);
      if (seconds === undefined) continue;
      const here = at.child('expirationSeconds');
      if (seconds < MIN_TOKEN_SECONDS) errors.invalid(here, seconds, 'may not specify a duration less than 10 minutes');
      if (seconds > MAX_TOKEN_SECONDS)
        errors.invalid(here, seconds, 'may not specify a duration larger than 2^32 seconds');
    }
  },
  validateUpdate({ spec }, { spec: old }, errors) {
    if (spec?.attachRequired !== old?.attachRequired)
      errors.invalid(SPEC.child('attachedRequired'), spec?.attachRequired, IMMUTABLE);
    if (!semanticEqual(spec?.volumeLifecycleModes, old?.volumeLifecycleModes))
      errors.invalid(SPEC.child('volumeLifecycleModes'), spec?.volumeLifecycleModes, IMMUTABLE);
  },
};
