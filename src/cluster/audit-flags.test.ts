import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { VirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { type AuditFlags, readAudit } from './audit-flags.ts';

const directory = mkdtempSync(join(tmpdir(), 'audit-flags-'));
after(() => rmSync(directory, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

const auditPolicyFile = file('policy.yaml', 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n');
const deps = () => ({ clock: new VirtualClock(), log: silentLog });
const read = (flags: AuditFlags) => readAudit({ auditPolicyFile, ...flags }, deps());

test('without a policy, or a place to keep it, nothing is recorded', () => {
  assert.equal(readAudit({ auditLogPath: join(directory, 'none.log') }, deps()).audit, undefined);
  assert.equal(read({}).audit, undefined);
});

test('a log is written to before the server answers, in the form asked for', async () => {
  const auditLogPath = join(directory, 'log', 'audit.log');
  const { audit, close } = read({
    auditLogPath,
    auditLogFormat: 'legacy',
    auditLogTruncateEnabled: true,
    auditLogTruncateMaxEventSize: 300,
    auditLogMode: 'blocking-strict',
  });
  const [sink] = audit!.sinks;
  assert.equal(sink!.strict, true);
  const event = (uri: string) => ({ auditID: 'a', stage: 'ResponseComplete', verb: 'get', user: {}, requestURI: uri });
  assert.equal(await sink!.write(event('/version') as never), true);
  assert.equal(await sink!.write(event('x'.repeat(300)) as never), false);
  assert.match(readFileSync(auditLogPath, 'utf8'), /^ AUDIT: id="a" .* uri="\/version" response="<deferred>"\n$/);
  await close();
});

test('a webhook gets batches by default', () => {
  const auditWebhookConfigFile = file(
    'webhook.yaml',
    `apiVersion: v1
kind: Config
current-context: c
clusters: [{ name: c, cluster: { server: 'https://collector.example/audit' } }]
contexts: [{ name: c, context: { cluster: c, user: u } }]
users: [{ name: u, user: { token: secret } }]
`,
  );
  const { webhook } = read({ auditWebhookConfigFile }).audit!;
  assert.equal(webhook!.access.server, 'https://collector.example/audit');
  assert.equal(webhook!.access.token, 'secret');
  assert.deepEqual(
    { mode: webhook!.mode, batch: webhook!.batch, truncate: webhook!.truncate, backoff: webhook!.initialBackoffMs },
    {
      mode: 'batch',
      batch: { bufferSize: 10_000, maxSize: 400, maxWaitMs: 30_000, throttle: { qps: 10, burst: 15 } },
      truncate: undefined,
      backoff: 10_000,
    },
  );
  const changed = read({
    auditWebhookConfigFile,
    auditWebhookBatchMaxWait: '1s',
    auditWebhookBatchThrottleEnable: false,
    auditWebhookInitialBackoff: '500ms',
    auditWebhookTruncateEnabled: true,
  }).audit!.webhook!;
  assert.deepEqual(changed.batch, { bufferSize: 10_000, maxSize: 400, maxWaitMs: 1000 });
  assert.deepEqual(changed.truncate, { maxEventBytes: 102_400, maxBatchBytes: 10_485_760 });
  assert.equal(changed.initialBackoffMs, 500);
});

test('what makes no sense is refused by name', () => {
  const auditLogPath = join(directory, 'refused.log');
  const auditWebhookConfigFile = join(directory, 'none.kubeconfig');
  const batch = { auditLogMode: 'batch' };
  const cases: [AuditFlags, RegExp][] = [
    [{ auditLogMode: 'fast' }, /invalid audit log mode fast, allowed modes are "batch,blocking,blocking-strict"/],
    [{ auditLogFormat: 'xml' }, /invalid audit log format xml, allowed formats are "legacy,json"/],
    [
      { auditWebhookConfigFile, auditWebhookVersion: 'audit.k8s.io/v1beta1' },
      /^Error: invalid group version, allowed versions are \["audit.k8s.io\/v1"\]$/,
    ],
    [
      { ...batch, auditLogBatchThrottleEnable: true },
      /invalid audit batch log throttle QPS 0, must be a positive number/,
    ],
    [{ ...batch, auditLogBatchBufferSize: 0 }, /invalid audit batch log buffer size 0, must be a positive number/],
    [{ auditLogTruncateMaxEventSize: 0 }, /invalid audit truncate log max event size 0, must be a positive number/],
    [
      { auditLogTruncateMaxBatchSize: 10 },
      /invalid audit truncate log max batch size 10, must be greater than max event size \(102400\)/,
    ],
    [{ auditPolicyFile: file('wrong.yaml', 'kind: Pod') }, /loading audit policy file: .*: from file .*wrong.yaml/],
  ];
  for (const [flags, message] of cases) assert.throws(() => read({ auditLogPath, ...flags }), message);
  // What is not used is not looked at.
  read({ auditLogPath, auditLogBatchBufferSize: 0, auditWebhookMode: 'fast' });
});

test('a log of any size is not put aside, and standard output takes events, too', async t => {
  const auditLogPath = join(directory, 'large.log');
  const { audit, close } = read({ auditLogPath, auditLogMaxSize: 0 });
  const large = { auditID: 'a', requestURI: 'x'.repeat(60 << 20) } as never;
  for (let i = 0; i < 2; i++) await audit!.sinks[0]!.write(large);
  await close();
  assert.equal(readdirSync(directory).filter(name => name.startsWith('large')).length, 1);
  const out: string[] = [];
  t.mock.method(process.stdout, 'write', (text: string, done: () => void) => {
    out.push(text);
    done();
    return true;
  });
  const standard = read({ auditLogPath: '-' });
  await standard.audit!.sinks[0]!.write({ auditID: 'b' } as never);
  await standard.close();
  t.mock.restoreAll();
  assert.deepEqual(out, ['{"auditID":"b"}\n']);
});
