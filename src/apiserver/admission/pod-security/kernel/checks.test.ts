// What Kubernetes' own module finds wrong with random pods (testdata/README.md).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type CheckedPod, type Level, violations, violationsText } from './checks.ts';

interface Answer {
  readonly level: Level;
  readonly version: string;
  readonly pod: CheckedPod;
  readonly detail: string;
}

const answers = JSON.parse(
  readFileSync(new URL('testdata/answers.json', import.meta.url), 'utf8'),
) as readonly Answer[];

const minorOf = (version: string): number =>
  version === 'latest' ? Number.POSITIVE_INFINITY : Number(version.slice('v1.'.length));

test('each version of each level forbids what it forbids in Kubernetes, in its words', () => {
  for (const { level, version, pod, detail } of answers) {
    const found = violations({ ...pod, metadata: pod.metadata ?? {} }, level, minorOf(version));
    assert.equal(violationsText(found), detail, `${level}:${version} ${JSON.stringify(pod)}`);
  }
});
