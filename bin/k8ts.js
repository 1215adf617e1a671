#!/usr/bin/env node
// The command.
import { mainScript } from './entry.js';
import { become } from './node26.js';

try {
  become(mainScript(), process.argv.slice(2));
} catch (error) {
  process.stderr.write(`k8ts: ${error.message}\n`);
  process.exit(1);
}
