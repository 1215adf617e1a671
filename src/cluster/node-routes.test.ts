// What a node asks of `ip` while nodes come, go and report.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from '../api/type/core-v1.ts';
import { settle, VirtualClock } from '../base/clock.ts';
import { createLog, silentLog } from '../base/log.ts';
import type { InformerFactory } from '../client/informer.ts';
import { createNodeRoutes } from './node-routes.ts';

const node = (name: string, podCIDR: string, address: string) =>
  ({
    metadata: { name },
    spec: { podCIDR, podCIDRs: [podCIDR] },
    status: { addresses: [{ type: 'InternalIP', address }] },
  }) as unknown as Node;

/** As `ip -json` shows what a line of its batch has set. */
const routeOf = (line: string) => {
  const [, , dst, , gateway, , dev, , protocol] = line.split(' ');
  return { dst, gateway, dev, protocol };
};

test('a node that no route can lead to is tried again at its time, not at every report of a node', async () => {
  const clock = new VirtualClock();
  const tried: string[][] = [];
  const said: string[] = [];
  const log = createLog('test', { write: line => said.push(line) });
  const routes: object[] = [];
  let nodes = [node('n1', '10.244.0.0/24', '10.8.0.10'), node('far', '10.244.9.0/24', '10.1.1.1')];
  let report = () => {};
  const nodesInformer = {
    addHandler: ({ onUpdate }: { onUpdate(): void }) => {
      report = onUpdate;
      return () => {};
    },
    whenSynced: async () => {},
    lister: { list: () => nodes },
  };
  const exec = async (_: string, args: readonly string[], options: { input?: string } = {}) => {
    if (args[0] === '-6') return '[]';
    if (!args.includes('-batch')) return JSON.stringify(routes);
    const lines = (options.input ?? '').trim().split('\n');
    tried.push(lines.map(line => line.split(' ')[2]!));
    if (lines.some(line => line.includes('10.1.1.1'))) throw new Error('Nexthop has invalid gateway.');
    routes.push(...lines.map(routeOf));
    return '';
  };
  const ending = new AbortController();
  const informers = { informer: () => nodesInformer } as unknown as InformerFactory;
  const options = { nodeName: 'n1', link: 'eth0', podCidr: '10.244.0.0/16', log, informers, clock, exec };
  const running = createNodeRoutes(options).run(ending.signal);
  await settle();
  assert.deepEqual(tried.splice(0), [['10.244.9.0/24']]);

  for (let second = 1; second <= 20; second++) {
    report();
    await clock.advance(1_000);
  }
  assert.equal(tried.splice(0).length, 4, 'once in five seconds');
  assert.equal(said.length, 1, 'and said once');

  nodes = [...nodes, node('n2', '10.244.1.0/24', '10.8.0.11')];
  report();
  await settle();
  assert.deepEqual(tried.splice(0), [['10.244.9.0/24', '10.244.1.0/24']], 'another node does not wait');

  nodes = nodes.filter(n => n.metadata.name !== 'far');
  report();
  await settle();
  assert.deepEqual(tried.splice(0), [['10.244.1.0/24']]);
  await clock.advance(60_000);
  assert.deepEqual(tried, [], 'nothing is left to try');
  ending.abort();
  await running;
});

test('what others took away comes back; where they have a route of their own, theirs stays', async () => {
  const clock = new VirtualClock();
  let routes: { dst?: string; protocol?: string }[] = [{ dst: '10.244.1.0/24', protocol: 'kernel' }];
  let tables = 0;
  let batches = 0;
  const nodes = [1, 2, 3].map(n => node(`n${n}`, `10.244.${n}.0/24`, `10.8.0.1${n}`));
  nodes.push(node('n4', 'fd00:4::/64', 'fd00::4'));
  const nodesInformer = { addHandler: () => () => {}, whenSynced: async () => {}, lister: { list: () => nodes } };
  const exec = async (program: string, args: readonly string[], options: { input?: string } = {}) => {
    if (program === 'nft') {
      if (args[0] === 'list' && tables === 0) throw new Error('No such file or directory');
      if (args[0] !== 'list') tables++;
      return '';
    }
    if (!args.includes('-batch'))
      return JSON.stringify(routes.filter(r => r.dst?.includes(':') === (args[0] === '-6')));
    batches++;
    const set = options.input!.trim().split('\n').map(routeOf);
    routes = [...routes.filter(r => !set.some(s => s.dst === r.dst)), ...set];
    return '';
  };
  const ending = new AbortController();
  const informers = { informer: () => nodesInformer } as unknown as InformerFactory;
  const options = { nodeName: 'n3', link: 'eth0', podCidr: '10.244.0.0/16', log: silentLog, informers, clock, exec };
  const running = createNodeRoutes(options).run(ending.signal);
  const shown = () => routes.map(r => `${r.dst} ${r.protocol ?? 'boot'}`).sort();
  const ours = ['10.244.1.0/24 107', '10.244.2.0/24 107', 'fd00:4::/64 107'];
  await settle();
  assert.deepEqual([shown(), tables], [ours, 1]);
  await clock.advance(240_000);
  assert.equal(batches, 1, 'nothing is written anew while all is there');

  routes = [];
  tables = 0;
  await clock.advance(120_000);
  assert.deepEqual([shown(), tables], [ours, 1], 'a link down and up, a flushed rule set');

  routes = [{ dst: '10.244.1.0/24' }];
  await clock.advance(240_000);
  assert.deepEqual(shown(), ['10.244.1.0/24 boot', ...ours.slice(1)], 'another pod network');
  routes = routes.filter(r => r.protocol);
  await clock.advance(120_000);
  assert.deepEqual([shown(), tables], [ours, 1], 'and its end');
  ending.abort();
  await running;
});
