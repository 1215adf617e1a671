import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../../base/log.ts';
import { OomWatch } from './oom-watch.ts';

const kill = (sequence: number, task: string, scope = 'global_oom') =>
  `4,${sequence},25434171801,-;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,${scope},task_memcg=/user.slice,task=${task},pid=${sequence}00,uid=0\n SUBSYSTEM=x\n`;
const other = (sequence: number) => `6,${sequence},25434171802,-;nodes: port 2(node-2) entered disabled state\n`;

function watching(kills: number | undefined) {
  const state = { kills, records: [other(1), kill(2, 'old'), other(3)], reads: 0, fails: false };
  const told: string[] = [];
  const watch = new OomWatch({
    log: silentLog,
    kills: async () => state.kills,
    records() {
      state.reads++;
      if (state.fails) throw new Error('EPERM: operation not permitted');
      return state.records;
    },
    onOom: (process, pid) => void told.push(`${process} ${pid}`),
  });
  return { state, told, watch };
}

test('kills for the lack of memory of the machine are told once, those before the kubelet not at all', async () => {
  const { state, told, watch } = watching(1);
  await watch.look();
  await watch.look();
  assert.deepEqual([told, state.reads], [[], 1]);
  state.records.push(kill(4, 'java'), other(5), kill(6, 'odd,name', 'oom_memcg=/kubepods/pod1'), kill(7, 'a,b'));
  await watch.look();
  assert.deepEqual([told, state.reads], [[], 1], 'nothing is read while nobody was killed');
  state.kills = 4;
  await watch.look();
  await watch.look();
  assert.deepEqual([told, state.reads], [['java 400', 'a,b 700'], 2]);
});

test('where nobody was killed yet the log is not read, where it may not be read nothing is told', async () => {
  const { state, told, watch } = watching(0);
  await watch.look();
  assert.equal(state.reads, 0);
  state.fails = true;
  state.kills = 1;
  await watch.look();
  state.kills = 2;
  await watch.look();
  assert.deepEqual([told, state.reads], [[], 1]);
  const silent = watching(undefined);
  await silent.watch.look();
  assert.equal(silent.state.reads, 0);
});
