// What every ContainerRuntime must do. An implementation's test calls runtimeConformance with a harness.
import { after, before, describe, test } from 'node:test';
import { containers } from './containers-conformance.ts';
import { listings } from './listings-conformance.ts';
import { sandboxes } from './sandboxes-conformance.ts';
import { type RuntimeBench, type RuntimeCheck, type RuntimeHarness, runtimeBench } from './test-runtime.ts';

export function runtimeConformance(name: string, setup: () => Promise<RuntimeHarness>): void {
  describe(name, () => {
    let bench: RuntimeBench | undefined;
    before(async () => {
      bench = runtimeBench(await setup());
    });
    after(() => bench?.harness.dispose());
    const check: RuntimeCheck = (sentence, body) => test(sentence, () => body(bench!));
    sandboxes(check);
    containers(check);
    listings(check);
  });
}
