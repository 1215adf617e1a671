// The rules of Nodes.
import { jsonText } from '../../../base/json-text.ts';
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import { goValue } from '../../go-value.ts';
import type { Mutable } from '../../meta.ts';
import { isLabelValue } from '../../name-rule.ts';
import type { RuleContext, Strategy } from '../../strategy.ts';
import type { Node, Taint } from '../../type/core-v1.ts';
import { dropFields } from '../drop-fields.ts';
import { validateLabelName } from '../meta.ts';
import { deepEqual } from '../record.ts';
import { familyOf, validateCidr } from './ip-value.ts';
import { cidrWarnings } from './ip-warning.ts';
import { validateResourceAmount } from './resource-name.ts';

const SPEC = path('spec');
const STATUS = path('status');
const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];
const ONE_A_FAMILY = 'may specify no more than one CIDR for each IP family';

/** podCIDR is the first of podCIDRs; whoever writes one of them writes both. */
function syncPodCidrs({ spec }: Mutable<Node>): void {
  if (!spec) return;
  if (spec.podCIDR && spec.podCIDRs?.[0] !== spec.podCIDR) spec.podCIDRs = [spec.podCIDR];
  else if (!spec.podCIDR && spec.podCIDRs?.[0]) spec.podCIDR = spec.podCIDRs[0];
}

function validateTaints(taints: readonly Taint[] | undefined, at: FieldPath, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const [i, taint] of (taints ?? []).entries()) {
    const here = at.index(i);
    const { key, value = '', effect } = taint;
    validateLabelName(key, here.child('key'), errors);
    const complaints = isLabelValue(value);
    if (complaints.length > 0) errors.invalid(here.child('value'), value, complaints.join(';'));
    if (!effect) errors.required(here.child('effect'));
    else if (!EFFECTS.includes(effect)) errors.notSupported(here.child('effect'), effect, EFFECTS);
    const id = `${effect}/${key}`;
    if (seen.has(id))
      errors.add(
        'FieldValueDuplicate',
        here,
        `Duplicate value: ${jsonText(goValue('core.v1.Taint', taint))}: taints must be unique by key and effect pair`,
      );
    seen.add(id);
  }
}

function validatePodCidrs(node: Node, errors: FieldErrors, held: readonly string[] | undefined): void {
  const cidrs = node.spec?.podCIDRs ?? [];
  const at = SPEC.child('podCIDRs');
  for (const [i, cidr] of cidrs.entries()) validateCidr(cidr, at.index(i), errors, held);
  const families = cidrs.map(c => familyOf(c.split('/')[0]!));
  if (cidrs.length > 2 || (cidrs.length === 2 && families[0] === families[1])) errors.invalid(at, cidrs, ONE_A_FAMILY);
}

function validate(node: Node, errors: FieldErrors, { old }: RuleContext): void {
  validateTaints(node.spec?.taints, SPEC.child('taints'), errors);
  for (const field of ['capacity', 'allocatable'] as const) {
    const list = node.status?.[field] ?? {};
    for (const name in list) validateResourceAmount(name, list[name]!, STATUS.child(field).key(name), errors);
  }
  validatePodCidrs(node, errors, (old as Node | undefined)?.spec?.podCIDRs);
}

function validateUpdate(now: Node, old: Node, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const [i, address] of (now.status?.addresses ?? []).entries()) {
    const id = JSON.stringify([address.type, address.address]);
    if (seen.has(id)) errors.duplicate(STATUS.child('addresses').index(i), goValue('core.v1.NodeAddress', address));
    seen.add(id);
  }
  const before = old.spec ?? {};
  const spec = now.spec ?? {};
  if (before.podCIDRs?.length && !deepEqual(spec.podCIDRs, before.podCIDRs))
    errors.forbidden(SPEC.child('podCIDRs'), 'node updates may not change podCIDR except from "" to valid');
  if (before.providerID && spec.providerID !== before.providerID)
    errors.forbidden(SPEC.child('providerID'), 'node updates may not change providerID except from "" to valid');
  if ((spec.externalID ?? '') !== (before.externalID ?? ''))
    errors.forbidden(
      path('[]'),
      'node updates may only change labels, taints, or capacity (or configSource, if the DynamicKubeletConfig feature gate is enabled)',
    );
}

function dropDeclared(node: Mutable<Node>, old: Node | undefined, { featureEnabled }: RuleContext): void {
  if (!featureEnabled('NodeDeclaredFeatures'))
    dropFields([node.status ?? {}], [old?.status ?? {}], ['declaredFeatures']);
}

export const nodeStrategy: Strategy<Node> = {
  nameRule: 'dnsSubdomain',
  default: syncPodCidrs,
  prepareForCreate(node, context) {
    // Gone for good; kept only where it was stored.
    if (node.spec) delete node.spec.configSource;
    dropDeclared(node, undefined, context);
  },
  prepareForUpdate(node, old, context) {
    if (node.spec && !old.spec?.configSource) delete node.spec.configSource;
    dropDeclared(node, old, context);
  },
  validate,
  validateUpdate,
  warnings({ spec }) {
    const out: string[] = [];
    if (spec?.configSource) out.push('spec.configSource: the feature is removed');
    if (spec?.externalID) out.push('spec.externalID: this field is deprecated, and is unused by Kubernetes');
    for (const [i, cidr] of (spec?.podCIDRs ?? []).entries())
      out.push(...cidrWarnings(cidr, SPEC.child('podCIDRs').index(i)));
    return out;
  },
};
