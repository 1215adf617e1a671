// Fails where code in src/ takes time or chance from anywhere but base/clock.ts and base/random.ts.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const src = resolve(import.meta.dirname, '..', 'src');
const forbidden =
  /\bDate\.now\(|\bnew Date\(\)|(?<![.\w])setTimeout\(|(?<![.\w])setInterval\(|\bMath\.random\(|\bperformance\.now\(/;
let bad = 0;
for (const file of readdirSync(src, { recursive: true, encoding: 'utf8' })) {
  if (!file.endsWith('.ts') || file.endsWith('.test.ts') || file === 'base/clock.ts' || file === 'base/random.ts')
    continue;
  readFileSync(join(src, file), 'utf8')
    .split('\n')
    .forEach((line, i) => {
      if (forbidden.test(line) && !line.trim().startsWith('//') && !line.trim().startsWith('*')) {
        console.error(`src/${file}:${i + 1}: time or chance not passed in: ${line.trim()}`);
        bad++;
      }
    });
}
if (bad) process.exit(1);
console.log('time: passed in everywhere');
