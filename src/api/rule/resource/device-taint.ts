// Taints of devices, and the rules of DeviceTaintRules.
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import { formatTime, type Mutable } from '../../meta.ts';
import { isLabelValue, isQualifiedName } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { DeviceTaint, DeviceTaintRule } from '../../type/resource-v1beta2.ts';
import { validateConditions } from '../condition.ts';
import { checkDriver, checkName, checkPool, SPEC } from './device-request.ts';

const CONDITIONS = path('status.conditions');
const MAX_CONDITIONS = 8;
const EFFECTS = ['NoExecute', 'NoSchedule', 'None'];

/** A taint that does not say when it came comes now. */
export function stampTaints(taints: readonly Mutable<DeviceTaint>[] | undefined, nowMs: number): void {
  for (const taint of taints ?? []) taint.timeAdded ??= formatTime(nowMs);
}

export function validateTaint({ key, value = '', effect }: DeviceTaint, at: FieldPath, errors: FieldErrors): void {
  if (!key) errors.required(at.child('key'));
  else for (const m of isQualifiedName(key)) errors.invalid(at.child('key'), key, m);
  for (const m of isLabelValue(value)) errors.invalid(at.child('value'), value, m);
  if (!effect) errors.required(at.child('effect'));
  else if (!EFFECTS.includes(effect)) errors.notSupported(at.child('effect'), effect, EFFECTS);
}

export const deviceTaintRuleStrategy: Strategy<DeviceTaintRule> = {
  nameRule: 'dnsSubdomain',
  allowUnconditionalUpdate: true,
  hasGeneration: true,
  prepareForCreate(rule, { nowMs }) {
    rule.status = {};
    if (rule.spec?.taint) stampTaints([rule.spec.taint], nowMs);
  },
  prepareForUpdate(rule, old, { subresource, nowMs }) {
    const taint = subresource === '' ? rule.spec?.taint : undefined;
    if (!taint) return;
    const before = old.spec?.taint;
    // Another effect begins anew, unless the writer says when it began.
    if (taint.effect !== before?.effect && taint.timeAdded === before?.timeAdded) delete taint.timeAdded;
    stampTaints([taint], nowMs);
  },
  validate({ spec, status }, errors, { subresource }) {
    if (subresource === 'status') {
      const count = status?.conditions?.length ?? 0;
      if (count > MAX_CONDITIONS) errors.tooMany(CONDITIONS, count, MAX_CONDITIONS);
      validateConditions(status?.conditions, CONDITIONS, errors);
      return;
    }
    const { driver, pool, device } = spec?.deviceSelector ?? {};
    const at = SPEC.child('deviceSelector');
    if (driver !== undefined) checkDriver(driver, at.child('driver'), errors);
    if (pool !== undefined) checkPool(pool, at.child('pool'), errors);
    if (device !== undefined) checkName(device, at.child('device'), errors);
    validateTaint(spec?.taint ?? ({} as DeviceTaint), SPEC.child('taint'), errors);
  },
};
