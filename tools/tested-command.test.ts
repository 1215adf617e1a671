import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..');

test('tests run the command as users have it, not from the source: each process of that costs twice the time', () => {
  const files = globSync(['src/**/*.test.ts', 'test/**/*.ts', 'examples/**/*.test.ts'], {
    cwd: root,
    // Launchers choose between the two: their tests name both.
    exclude: ['**/node_modules/**', 'test/launcher/**'],
  });
  assert.ok(files.length > 500);
  assert.deepEqual(
    files.filter(f => /main\.ts'\)/.test(readFileSync(join(root, f), 'utf8'))),
    [],
  );
});
