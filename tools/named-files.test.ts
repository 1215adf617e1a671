import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..');
const exclude = ['**/node_modules/**'];
const documents = globSync(['*.md', '{docs,examples,src,test}/**/*.md'], { cwd: root, exclude });
const known = globSync('{bench,bin,docs,examples,src,test,tools}/**', { cwd: root, exclude }).map(path => `/${path}`);
// Both as they are named in prose: from the root, or from a folder that the text is about.
const ends = new Set(known.flatMap(path => [...path.matchAll(/\//g)].map(({ index }) => path.slice(index + 1))));

test('files and folders that documents name are there', () => {
  assert.ok(documents.length > 20);
  for (const document of documents) {
    const text = readFileSync(join(root, document), 'utf8');
    for (const [, path] of text.matchAll(/`((?:[\w.-]+\/)+[\w.-]+\.ts|(?:src|docs|test|tools)\/[\w./-]*)`/g))
      assert.ok(ends.has(path!.replace(/\/$/, '')), `${document}: ${path}`);
    for (const [, link] of text.matchAll(/\]\((?!https?:)([^)#]+)/g))
      assert.ok(existsSync(join(root, dirname(document), link!)), `${document}: ${link}`);
  }
});
