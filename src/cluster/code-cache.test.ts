import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { keepCode, loadScript } from './code-cache.ts';

let base: string;
let url: string;
let folder: string;

const write = (text: string) =>
  writeFileSync(
    join(base, 'part.cjs'),
    `(function(require,module,exports,scriptUrl){exports.add=(a,b)=>{${text}};exports.url=scriptUrl;exports.path=require('node:path')})`,
  );

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'k8ts-code-cache-'));
  url = pathToFileURL(join(base, 'part.cjs')).href;
  folder = join(base, 'kept', 'here');
  write('return a+b');
});

afterEach(() => rmSync(base, { recursive: true }));

const add = (content: string) => (loadScript(url, content, folder) as { add(a: number, b: number): number }).add(2, 3);
const kept = () => readFileSync(join(folder, 'part.cjs.code'));

test('a script gets require and its URL, and gives what it exports', () => {
  const found = loadScript(url, '1', folder) as { url: string; path: typeof import('node:path') };
  assert.equal(found.url, url);
  assert.equal(found.path.join('a', 'b'), join('a', 'b'));
});

test('code is kept once, with the functions that ran, and taken by the next load', () => {
  loadScript(url, '1', folder);
  keepCode();
  const unused = kept().length;
  rmSync(folder, { recursive: true });
  assert.equal(add('1'), 5);
  keepCode();
  assert.ok(kept().length > unused, `${kept().length} bytes with a function that ran, ${unused} without`);
  const before = kept();
  assert.equal(add('1'), 5);
  keepCode();
  assert.deepEqual(kept(), before);
  assert.deepEqual(readdirSync(folder), ['part.cjs.code']);
});

test('code of another version of the script is not taken, and replaced', () => {
  add('1');
  keepCode();
  write('return a*b');
  assert.equal(add('2'), 6);
  keepCode();
  const before = kept();
  assert.equal(add('2'), 6);
  keepCode();
  assert.deepEqual(kept(), before);
});

test('code that is damaged is not taken, and replaced', () => {
  add('1');
  keepCode();
  const whole = kept();
  for (const damaged of [whole.subarray(0, whole.length - 9), Buffer.from(whole).fill(7, 300, 340), Buffer.from('{')]) {
    writeFileSync(join(folder, 'part.cjs.code'), damaged);
    assert.equal(add('1'), 5);
    keepCode();
    assert.equal(kept().length, whole.length);
  }
});

test('where nothing can be kept all works', () => {
  writeFileSync(join(base, 'kept'), '');
  assert.equal(add('1'), 5);
  keepCode();
  assert.equal(add('1'), 5);
});
