import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { rotateOpenLog } from './open-log.ts';

test('the log of a process that holds it open is emptied past its size; two old ones are kept', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-log-'));
  const path = join(directory, 'some.log');
  await rotateOpenLog(path, 4);
  const fd = openSync(path, 'a');
  try {
    const contents = () =>
      readdirSync(directory).map(name => `${name}: ${readFileSync(join(directory, name), 'utf8')}`);
    writeSync(fd, '1111');
    await rotateOpenLog(path, 4);
    assert.deepEqual(contents(), ['some.log: 1111']);
    writeSync(fd, '1');
    for (const text of ['22222', '33333', '4']) {
      await rotateOpenLog(path, 4);
      writeSync(fd, text);
    }
    assert.deepEqual(contents(), ['some.log: 4', 'some.log.1: 33333', 'some.log.2: 22222']);
  } finally {
    closeSync(fd);
    rmSync(directory, { recursive: true });
  }
});
