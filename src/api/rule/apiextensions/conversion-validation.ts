// How the versions of a CustomResourceDefinition are converted: the webhook must be one that can be called.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import { isDns1035Label } from '../../name-rule.ts';
import type { CustomResourceConversion } from '../../type/apiextensions-v1.ts';
import { validateWebhookAddress } from '../webhook-address.ts';

const acceptedReviews = ['v1', 'v1beta1'];

export function validateConversion(
  conversion: CustomResourceConversion | undefined,
  at: FieldPath,
  errors: FieldErrors,
): void {
  if (!conversion) return;
  const { strategy, webhook } = conversion;
  if (!strategy) errors.required(at.child('strategy'));
  else if (strategy !== 'None' && strategy !== 'Webhook')
    errors.notSupported(at.child('strategy'), strategy, ['None', 'Webhook']);
  // Named as Go's server has them within.
  const config = at.child('webhookClientConfig');
  const here = at.child('conversionReviewVersions');
  const versions = webhook?.conversionReviewVersions ?? [];
  if (strategy !== 'Webhook') {
    const never = 'should not be set when strategy is not set to Webhook';
    if (webhook?.clientConfig) errors.forbidden(config, never);
    if (versions.length) errors.forbidden(here, never);
    return;
  }
  if (!webhook?.clientConfig) errors.required(config, 'required when strategy is set to Webhook');
  else validateWebhookAddress(webhook.clientConfig, config, errors);
  if (!versions.length) errors.required(here);
  const seen = new Set<string>();
  for (const [i, v] of versions.entries()) {
    if (seen.has(v)) errors.invalid(here.index(i), v, 'duplicate version');
    seen.add(v);
    const wrong = isDns1035Label(v);
    if (wrong.length) errors.invalid(here.index(i), v, wrong.join(','));
  }
  if (versions.length && !versions.some(v => acceptedReviews.includes(v)))
    errors.invalid(here, versions, `must include at least one of ${acceptedReviews.join(', ')}`);
}
