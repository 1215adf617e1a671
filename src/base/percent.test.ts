import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pathDecoded, pathEncoded } from './percent.ts';

test('paths are read byte by byte', () => {
  assert.equal(pathDecoded('/a%2Fb%20c%25/%C3%a4+;'), '/a/b c%/ä+;');
  // What is no UTF-8 stays apart, and is written as it came.
  for (const path of ['/%FF/A', '/%C3%28', '/a%ED%A0%80', '/%F5%80', '/%C3%A4%C3', '/%F0%9F%98%80%80'])
    assert.equal(pathEncoded(pathDecoded(path)!), path);
  assert.equal(pathDecoded('/%ff/%41'), '/\udcff/A');
  assert.equal(pathDecoded('/%C3%A4%C3'), '/ä\udcc3');
  for (const wrong of ['/%', '/%4', '/a%zzb', '/%25%%']) assert.equal(pathDecoded(wrong), undefined, wrong);
});

// As url.URL{Path: …}.EscapedPath() of Go 1.26 writes it.
test('paths are written as Go does', () => {
  assert.equal(
    pathEncoded('/a b/ä%?#[]!\'()*"<>\\^`{|}~'),
    '/a%20b/%C3%A4%25%3F%23%5B%5D%21%27%28%29%2A%22%3C%3E%5C%5E%60%7B%7C%7D~',
  );
  assert.equal(pathEncoded('/$&+,-./09:;=@AZ_az'), '/$&+,-./09:;=@AZ_az');
});
