import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isTimeZone, parseCron } from '../api/cron-schedule.ts';
import { compilePattern } from '../api/structural/pattern.ts';
import { negotiate } from './negotiation.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

test('what is remembered of the texts of clients is small, however long they are', () => {
  const size = 1 << 20;
  const uses: Record<string, (text: string) => unknown> = {
    accept: text => negotiate(`application/json;x=${text}`, { offered: ['application/json'] }),
    'time zone': text => isTimeZone(text),
    schedule: text => parseCron(`${text.replace(/\D+/g, '')} * * * *${' '.repeat(size)}`),
    pattern: text => compilePattern(`a[${text}]`),
  };
  for (const [name, use] of Object.entries(uses)) {
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 20; i++) use(`n${i}`.padEnd(size, 'x'));
    collect();
    const grown = process.memoryUsage().heapUsed - before;
    assert.ok(grown < 5 * size, `${name}: ${grown}`);
  }
});
