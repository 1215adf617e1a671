// Audit events to a server that collects them: EventLists by POST, as a kubeconfig says where.
import type { Event } from '../../api/type/audit-v1.ts';
import type { ClusterAccess } from '../../client/kubeconfig.ts';
import type { WebhookClient } from '../extension/webhook-client.ts';
import { DeliveringSink, type DeliveryOptions } from './delivering-sink.ts';

const timeoutMs = 30_000;

export interface AuditWebhookOptions extends Pick<DeliveryOptions, 'mode' | 'batch' | 'truncate'> {
  readonly access: ClusterAccess;
  /** Before the second attempt. */
  readonly initialBackoffMs: number;
}

export function auditWebhook(
  { access, initialBackoffMs, ...delivery }: AuditWebhookOptions,
  client: Pick<WebhookClient, 'deliver'>,
  deps: Pick<DeliveryOptions, 'clock' | 'log'>,
): DeliveringSink {
  const write = (items: readonly Event[]) =>
    client.deliver(
      access,
      { kind: 'EventList', apiVersion: 'audit.k8s.io/v1', metadata: {}, items },
      timeoutMs,
      initialBackoffMs,
    );
  return new DeliveringSink({ ...delivery, ...deps, plugin: 'webhook', write });
}
