// pods/log: the kubelet's answer, handed through as it comes.
import { pipeline } from 'node:stream/promises';
import { methodNotSupported } from '../../api/status.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import { dialError, urlOf } from '../../base/http/upgrade-request.ts';
import type { ApiContext, StreamHandler } from '../context.ts';
import { errorText, plainError, refusal, requestBackend } from './backend.ts';
import { chooseContainer } from './kernel/container-choice.ts';
import { readPodLogOptions } from './kernel/log-options.ts';
import type { KubeletTargets } from './kubelet-target.ts';
import { lifetimeOf } from './lifetime.ts';

export function podLogHandler(context: ApiContext, kubelets: KubeletTargets): StreamHandler {
  return async ({ exchange, info, resource, registry }) => {
    if (info.verb !== 'get') throw methodNotSupported(resource, info.verb);
    const options = readPodLogOptions(exchange.query, info.name);
    const pod = registry.get({ namespace: info.namespace, name: info.name }).object as unknown as Pod;
    const container = chooseContainer(pod, options.container);
    // Nothing runs yet, so nothing was said.
    if (!pod.spec.nodeName) return exchange.respond(204, {});
    const target = kubelets.of(pod.spec.nodeName, { insecure: options.insecureSkipTLSVerifyBackend });
    const query = options.query.toString();
    const path = `/containerLogs/${[info.namespace, info.name, container].map(encodeURIComponent).join('/')}${query && `?${query}`}`;
    const life = lifetimeOf(context, exchange);
    try {
      const answer = await requestBackend(target, {
        method: 'GET',
        path,
        headers: {},
        signal: life.signal,
        clock: context.clock,
        // A kubelet answers before it reads the log.
        headMs: kubelets.timeoutMs,
      }).catch(error => {
        throw plainError(`Get "${urlOf(target, path)}": ${dialError(target, error)}`);
      });
      const code = answer.statusCode ?? 500;
      if (code < 200 || code > 206) throw refusal(code, await errorText(answer), 'pods/log', info.name);
      const out = exchange.open(200, { 'content-type': 'text/plain', 'cache-control': 'no-cache, private' });
      if (exchange.method === 'HEAD') {
        answer.destroy();
        out.end();
        return;
      }
      // A reader that goes away in the middle is no failure.
      await pipeline(answer, out).catch(() => {});
    } finally {
      life.end();
    }
  };
}
