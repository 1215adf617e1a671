import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createMetrics, exponentialBuckets, linearBuckets } from './metrics.ts';

it('makes each metric once and writes the text format', async () => {
  const metrics = createMetrics();
  metrics.counter('requests_total', 'Requests.', ['verb']).inc({ verb: 'GET' });
  metrics.counter('requests_total', 'Requests.', ['verb']).inc({ verb: 'GET' }, 2);
  const depth = metrics.gauge('depth', 'Depth.');
  const stop = metrics.onCollect(() => depth.set({}, 7));
  metrics.histogram('seconds', 'Seconds.', ['verb'], [1, 2]).observe({ verb: 'GET' }, 1.5);
  const text = await metrics.text();
  assert.match(
    text,
    /# HELP requests_total Requests\.\n# TYPE requests_total counter\nrequests_total\{verb="GET"\} 3\n/,
  );
  assert.match(text, /^depth 7$/m);
  assert.match(text, /seconds_bucket\{verb="GET",le="1"\} 0\nseconds_bucket\{verb="GET",le="2"\} 1\n/);
  stop();
  depth.set({}, 1);
  assert.match(await metrics.text(), /^depth 1$/m);
  assert.match(metrics.contentType, /^text\/plain/);
});

it('spaces buckets', () => {
  assert.deepEqual(exponentialBuckets(1, 2, 4), [1, 2, 4, 8]);
  assert.deepEqual(linearBuckets(1, 2, 3), [1, 3, 5]);
});
