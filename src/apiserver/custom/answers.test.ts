// What apiextensions-apiserver answered, request by request (testdata/README.md).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileServer } from '../test-file-server.ts';
import { ask, casesOf, files, kinds } from './test-answers.ts';
import { establish } from './test-definition.ts';

const on = fileServer();

for (const file of files)
  test(`answers are those of apiextensions-apiserver: ${file}`, async () => {
    if (file === 'objects.json') for (const kind of kinds()) await establish(on.api, kind);
    // A few at a time: an answer takes longer to come than to make.
    const left = casesOf(file).values();
    const asker = async () => {
      for (const { answer, ...asked } of left)
        assert.deepEqual(await ask(on.api, asked), answer, JSON.stringify(asked));
    };
    await Promise.all(Array.from({ length: 20 }, asker));
  });
