import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { bundle } from './bundle.ts';

test('a role runs from its script: strict, data files in their place, builtin modules and late imports there', async () => {
  const base = mkdtempSync(join(tmpdir(), 'k8ts-bundle-'));
  try {
    const source = join(base, 'source');
    mkdirSync(source);
    const write = (file: string, text: string) => writeFileSync(join(source, file), text);
    const loader = join(import.meta.dirname, '..', 'src', 'cluster', 'code-cache.ts');
    write('code-cache.ts', `export * from ${JSON.stringify(loader)};`);
    write('data.txt', 'data');
    write('plugin.mjs', `export default await Promise.resolve('plugin');`);
    write('late.ts', `export const late = 'late';`);
    write('agent-role.ts', 'export const run = () => {};');
    write(
      'server-role.ts',
      `import { readFileSync } from 'node:fs';
       import { STATUS_CODES } from 'node:http';
       export async function run(this: unknown) {
         const plugin = new URL('plugin.mjs', import.meta.url).href;
         const given = (await import(plugin)).default;
         const { late } = await import('./late.ts');
         const { EOL } = await import('node:os');
         const data = readFileSync(new URL('data.txt', import.meta.url), 'utf8');
         return [(function (this: unknown) { return this === undefined; })(), data, STATUS_CODES[200], late, EOL.length, given].join(' ');
       }`,
    );
    write('main.ts', `const { run } = await import('./server-role.ts'); process.stdout.write(String(await run()));`);
    const folder = join(base, 'bundle');
    await bundle(join(source, 'main.ts'), folder);
    rmSync(join(source, 'late.ts'));
    const { stdout, stderr } = spawnSync(process.execPath, [join(folder, 'main.js')], { encoding: 'utf8' });
    assert.equal(stderr, '');
    assert.equal(stdout, 'true data OK late 1 plugin');
    assert.ok(existsSync(join(folder, 'agent-role.cjs')));
  } finally {
    rmSync(base, { recursive: true });
  }
});
