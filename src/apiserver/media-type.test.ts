import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mediaTypeFault, mediaTypeOf } from './media-type.ts';

test('what is malformed, as recorded of Go 1.26', () => {
  const invalid = 'mime: invalid media parameter';
  for (const [text, fault] of [
    ['application/json; charset=utf-8', undefined],
    ['application', undefined],
    ['', 'mime: no media type'],
    ['/json', 'mime: no media type'],
    ['\u00e4pplication/json', 'mime: no media type'],
    [';charset=utf-8', 'mime: no media type'],
    ['application/', 'mime: expected token after slash'],
    ['application/json/x', 'mime: unexpected content after media subtype'],
    ['application/json x', 'mime: unexpected content after media subtype'],
    ['application/json, text/plain', 'mime: unexpected content after media subtype'],
    ['application json', 'mime: expected slash after first token'],
    ['application/json; ', undefined],
    ['application/json; x', invalid],
    ['application/json; x=', invalid],
    ['application/json; =y', invalid],
    ['application/json; x="a', invalid],
    ['application/json;;', invalid],
    ['application/json; x=y z', invalid],
    ['application/json; x=y; x=z', 'mime: duplicate parameter name'],
    ['text/plain; charset=utf-8; charset=utf-8', undefined],
    ['application/json ; x = y', undefined],
    ['application/json;x=y;', undefined],
  ] as const) {
    assert.equal(mediaTypeFault(text), fault, text);
    assert.equal(mediaTypeOf(text) === undefined, fault !== undefined, text);
  }
  assert.equal(mediaTypeOf(' Application/JSON ; x="a;b"'), 'application/json');
});

test('a long one costs no time', () => {
  const { user } = process.threadCpuUsage();
  mediaTypeFault(`a/b${';x=y'.repeat(250_000)}`);
  mediaTypeFault(`${'a'.repeat(1_000_000)} ${' '.repeat(1_000_000)}/`);
  assert.ok(process.threadCpuUsage().user - user < 300_000);
});
