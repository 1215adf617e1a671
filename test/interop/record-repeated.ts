// Asks Kubernetes' library again who owns items that come more than once: `node bin/node26.js test/interop/record-repeated.ts`.
import { writeFileSync } from 'node:fs';
import { repeatedSteps, shownOf, testdata } from '../../src/api/test-repeated.ts';
import { kubeStorage } from '../clients/tool.ts';
import { WireProcess } from './wire-process.ts';

const tool = await kubeStorage();
if ('missing' in tool) throw new Error(tool.missing);
const go = new WireProcess(tool.command[0]);
try {
  const shown: object[] = [];
  let live: any;
  for (const { manager, apply = false, body } of repeatedSteps) {
    const managedFields = apply ? undefined : live?.metadata.managedFields;
    const sent = { ...body, metadata: { ...(body as any).metadata, managedFields } };
    const { error, json } = await go.own('v1', 'Pod', {
      live,
      body: sent,
      manager,
      subresource: '',
      apply,
      force: apply,
    });
    if (error) throw new Error(error);
    live = JSON.parse(json.toString());
    shown.push(shownOf(live));
  }
  writeFileSync(testdata, `${JSON.stringify(shown)}\n`);
} finally {
  await go.stop();
}
