// The auditor as the server's options want it, with what it counts.
import type { Metrics } from '../../base/metrics.ts';
import type { ApiContext } from '../context.ts';
import { WebhookClient } from '../extension/webhook-client.ts';
import type { ApiServerOptions } from '../server-options.ts';
import { Auditor } from './auditor.ts';
import { auditWebhook } from './webhook-sink.ts';

export function createAuditor(
  context: ApiContext,
  options: NonNullable<ApiServerOptions['audit']>,
  metrics: Metrics,
): Auditor {
  const { clock, random, log } = context;
  const errors = metrics.counter(
    'apiserver_audit_error_total',
    '[ALPHA] Counter of audit events that failed to be audited properly. Plugin identifies the plugin affected by the error.',
    ['plugin'],
  );
  const client = new WebhookClient({ context, userAgent: 'kube-apiserver' });
  const own = options.webhook ? [auditWebhook(options.webhook, client, { clock, log })] : [];
  const sinks = [...options.sinks, ...own];
  for (const sink of sinks) sink.onLost = (plugin, events) => errors.inc({ plugin }, events);
  const count = { events: 0, rejected: 0, levels: new Map<string, number>() };
  metrics.source(
    'apiserver_audit_event_total',
    '[ALPHA] Counter of audit events generated and sent to the audit backend.',
    'counter',
    () => [{ labels: {}, value: count.events }],
  );
  metrics.source(
    'apiserver_audit_requests_rejected_total',
    '[ALPHA] Counter of apiserver requests rejected due to an error in audit logging backend.',
    'counter',
    () => [{ labels: {}, value: count.rejected }],
  );
  metrics.source(
    'apiserver_audit_level_total',
    '[ALPHA] Counter of policy levels for audit events (1 per request).',
    'counter',
    () => [...count.levels].map(([level, value]) => ({ labels: { level }, value })),
  );
  return new Auditor({
    policy: options.policy,
    sinks,
    closes: own,
    clock,
    random,
    counts: {
      event: () => void count.events++,
      level: level => void count.levels.set(level, (count.levels.get(level) ?? 0) + 1),
      rejected: () => void count.rejected++,
    },
  });
}
