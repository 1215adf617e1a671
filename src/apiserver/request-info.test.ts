import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRequest } from './request-info.ts';

test('methods that HTTP does not know are no verbs', () => {
  const verbOf = (method: string, path: string) => parseRequest(method, path, new URLSearchParams()).verb;
  assert.equal(verbOf('GET', '/api/v1/pods'), 'list');
  for (const method of ['constructor', 'toString', '__proto__', 'BREW'])
    assert.equal(verbOf(method, '/api/v1/pods'), '');
  assert.equal(verbOf('constructor', '/version'), 'constructor');
});
