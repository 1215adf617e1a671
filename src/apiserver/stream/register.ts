// Subresources that are streams.
import type { ApiContext } from '../context.ts';
import { kubeletTargets } from './kubelet-target.ts';
import { podLogHandler } from './pod-log.ts';
import { podStreamHandler } from './pod-stream.ts';
import { proxyHandlers } from './resource-proxy.ts';

export function registerStreams({ context }: { context: ApiContext }): void {
  const kubelets = kubeletTargets(context);
  context.streams.set('/pods/log', podLogHandler(context, kubelets));
  for (const kind of ['exec', 'attach', 'portforward'] as const)
    context.streams.set(`/pods/${kind}`, podStreamHandler(context, kubelets, kind));
  for (const [id, handler] of Object.entries(proxyHandlers(context, kubelets))) context.streams.set(id, handler);
}
