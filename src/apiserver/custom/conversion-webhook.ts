import { internalError } from '../../api/status.ts';
import type { WebhookConverter } from './conversion.ts';

export function conversionWebhook(): WebhookConverter {
  return () => async () => {
    throw internalError(new Error('conversion webhooks are not connected'));
  };
}
