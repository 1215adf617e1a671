import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createMetrics, exponentialBuckets, linearBuckets, type Sample } from './metrics.ts';

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

it('forgets the labels it is told to', async () => {
  const metrics = createMetrics();
  const counter = metrics.counter('requests_total', 'Requests.', ['verb', 'code']);
  const histogram = metrics.histogram('seconds', 'Seconds.', ['verb'], [1]);
  for (const verb of ['GET', 'PUT']) {
    counter.inc({ verb, code: '200' });
    histogram.observe({ verb }, 2);
  }
  counter.remove({ code: '200', verb: 'GET' });
  histogram.remove({ verb: 'GET' });
  const text = await metrics.text();
  assert.doesNotMatch(text, /GET/);
  assert.match(text, /requests_total\{verb="PUT",code="200"\} 1/);
  assert.match(text, /seconds_count\{verb="PUT"\} 1/);
});

it('writes what its owner counts: labels escaped, others of what is no number, long ones in turns', async () => {
  const metrics = createMetrics();
  const samples: Sample[] = [
    { labels: { b: 'x"y\\z\n' }, value: Number.NaN },
    { labels: {}, value: Number.NEGATIVE_INFINITY },
  ];
  metrics.source('a', 'Back\\slash.\nLine.', 'gauge', () => samples);
  const labels = { c: 'd' };
  metrics.source('long', 'Long.', 'counter', () => Array.from({ length: 9000 }, (_, value) => ({ labels, value })));
  const empty = metrics.histogram('empty', 'Empty.', [], [1]);
  empty.observe({}, Number.POSITIVE_INFINITY);
  let others = 0;
  setImmediate(() => others++);
  const long = Array.from({ length: 9000 }, (_, i) => `long{c="d"} ${i}\n`).join('');
  const head = String.raw`# HELP a Back\\slash.\nLine.
# TYPE a gauge
a{b="x\"y\\z\n"} NaN
a -Inf

# HELP long Long.
# TYPE long counter
`;
  const tail = `
# HELP empty Empty.
# TYPE empty histogram
empty_bucket{le="1"} 0
empty_bucket{le="+Inf"} 1
empty_sum +Inf
empty_count 1
`;
  assert.equal(await metrics.text(), head + long + tail);
  assert.equal(others, 1);
});

it('spaces buckets', () => {
  assert.deepEqual(exponentialBuckets(1, 2, 4), [1, 2, 4, 8]);
  assert.deepEqual(linearBuckets(1, 2, 3), [1, 3, 5]);
});
