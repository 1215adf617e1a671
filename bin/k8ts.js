#!/usr/bin/env node
// The command. In the repository it runs the TypeScript source; a published package carries dist/ instead,
// because Node refuses to run .ts files below node_modules.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { become, root } from './node26.js';

const bundle = join(root, 'dist', 'cluster', 'main.js');
const source = join(root, 'src', 'cluster', 'main.ts');
try {
  become(existsSync(source) ? source : bundle, process.argv.slice(2));
} catch (error) {
  process.stderr.write(`k8ts: ${error.message}\n`);
  process.exit(1);
}
