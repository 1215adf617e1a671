// What the way out of an answer took, as its audit event tells it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../api/meta.ts';
import type { Exchange } from '../http/exchange.ts';
import { Stored } from '../registry/stored.ts';
import type { Renderer } from '../render.ts';
import { sendObject } from '../respond.ts';
import { RequestTrace, runTraced, spending } from './trace.ts';

test('an object is transformed and serialized before its answer is told of', () => {
  let nowMs = 0;
  const trace = new RequestTrace(0, () => nowMs);
  const passes = (ms: number) => {
    nowMs += ms;
  };
  const renderer = {
    contentType: 'application/json',
    object() {
      spending('TransformObject', () => passes(20));
      passes(300);
      return Buffer.from('{}');
    },
  } as unknown as Renderer;
  const seen: number[] = [];
  const exchange = {
    method: 'GET',
    headers: {},
    respond: () => seen.push(trace.spentMs('TransformObject'), trace.spentMs('SerializeObject')),
  } as unknown as Exchange;
  const stored = new Stored('a', { metadata: { name: 'a' } } as KubeObject, 1);
  runTraced(trace, () => sendObject({ exchange, warnings: [] }, 200, renderer, stored));
  assert.deepEqual(seen, [20, 320]);
  passes(1000);
  assert.equal(trace.spentMs('SerializeObject'), 320);
  assert.equal(trace.spentMs('WriteResponse'), 0);
});

test('what is under way counts up to now, and what comes several times as a whole', () => {
  let nowMs = 0;
  const trace = new RequestTrace(0, () => nowMs);
  for (const ms of [5, 7])
    trace.measure('TransformObject', () => {
      nowMs += ms;
    });
  trace.begin('WriteResponse');
  nowMs += 9;
  assert.equal(trace.spentMs('TransformObject'), 12);
  assert.equal(trace.spentMs('WriteResponse'), 9);
  assert.throws(() =>
    trace.measure('TransformObject', () => {
      nowMs += 1;
      throw new Error('no');
    }),
  );
  assert.equal(trace.spentMs('TransformObject'), 13);
});
