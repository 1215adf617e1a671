// ValidatingAdmissionWebhook: asks all webhooks concerned at once; one no is enough.
import type { AdmissionPlugin } from '../admission.ts';
import { concerns, type DispatcherDeps, type Invocation, placeOf, WebhookDispatcher } from './dispatcher.ts';
import type { HookSource } from './hook.ts';

export function validatingWebhooks(source: HookSource, deps: DispatcherDeps): AdmissionPlugin {
  const dispatcher = new WebhookDispatcher(deps, false);
  return {
    name: 'ValidatingAdmissionWebhook',
    handles: attributes => concerns(source, attributes),
    validate(attributes) {
      const asked: Invocation[] = [];
      for (const hook of source.hooks) {
        const match = dispatcher.select(hook, attributes);
        if (match) asked.push({ hook, match, place: placeOf(asked.length) });
      }
      if (asked.length === 0) return;
      return Promise.allSettled(asked.map(invocation => dispatcher.ask(invocation, attributes))).then(results => {
        for (const result of results) if (result.status === 'rejected') throw result.reason;
      });
    },
  };
}
