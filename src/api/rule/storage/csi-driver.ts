// The rules of CSIDrivers.
import { path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { IMMUTABLE } from '../../name-rule.ts';
import type { RuleContext, Strategy } from '../../strategy.ts';
import type { CSIDriver } from '../../type/storage-v1.ts';
import { validateOneOf } from '../core/pod-common.ts';
import { validateCsiDriverName } from '../core/pod-volume.ts';
import { semanticEqual } from '../record.ts';

const SPEC = path('spec');
const MIN_PERIOD_SECONDS = 10;
const MIN_TOKEN_SECONDS = 600;
const MAX_TOKEN_SECONDS = 2 ** 32;

function dropDisabled(
  spec: Mutable<CSIDriver['spec']> | undefined,
  old: CSIDriver['spec'] | undefined,
  { featureEnabled }: RuleContext,
): void {
  if (spec && old?.preventPodSchedulingIfMissing === undefined && !featureEnabled('VolumeLimitScaling'))
    delete spec.preventPodSchedulingIfMissing;
}

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
  prepareForCreate({ spec }, context) {
    dropDisabled(spec, undefined, context);
  },
  prepareForUpdate({ spec }, old, context) {
    dropDisabled(spec, old.spec, context);
  },
  validate({ metadata, spec }, errors) {
    validateCsiDriverName(metadata.name, path('metadata.name'), errors);
    if (!spec) return;
    validateOneOf(spec.fsGroupPolicy, ['None', 'File', 'ReadWriteOnceWithFSType'], SPEC.child('fsGroupPolicy'), errors);
    for (const mode of spec.volumeLifecycleModes ?? [])
      validateOneOf(mode, ['Ephemeral', 'Persistent'], SPEC.child('volumeLifecycleModes'), errors);
    const period = spec.nodeAllocatableUpdatePeriodSeconds;
    if (period !== undefined && period < MIN_PERIOD_SECONDS)
      errors.invalid(
        SPEC.child('nodeAllocatableUpdatePeriodSeconds'),
        period,
        `must be greater than or equal to ${MIN_PERIOD_SECONDS} seconds`,
      );
    if (spec.serviceAccountTokenInSecrets !== undefined && !spec.tokenRequests?.length)
      errors.invalid(
        SPEC.child('serviceAccountTokenInSecrets'),
        spec.serviceAccountTokenInSecrets,
        'may only be set when tokenRequests is configured',
      );
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
