// Objects at random of every built-in kind and version, made by Go's own types, read and written by ours; and what breaks
// them, beside Go's decoders.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { normalize, parseJson, parseYaml } from '../../src/api/decode.ts';
import { decodeProtobuf, encodeProtobuf } from '../../src/api/protobuf.ts';
import { builtinResources } from '../../src/api/resource.ts';
import { isTypeName } from '../../src/api/schema.ts';
import { messageOf } from '../../src/base/assert.ts';
import { jsonText } from '../../src/base/json-text.ts';
import { seededRandom } from '../../src/base/random.ts';
import { parseExactJson } from '../../src/base/whole-number.ts';
import { storageProgram } from './storage-process.ts';
import { type Form, type GoForms, WireProcess } from './wire-process.ts';

const program = await storageProgram();
const skip = 'missing' in program ? program.missing : false;
const seeds = 2;
const first = 1;

let go: WireProcess;
before(() => {
  if ('path' in program) go = new WireProcess(program.path);
});
after(() => go?.stop());

const served = builtinResources();
const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1.';
const typeNameOf = (apiVersion: string, kind: string): string | undefined =>
  served.typeNameOf(apiVersion, kind) ?? (isTypeName(meta + kind) ? meta + kind : undefined);

// What Go keeps apart in protobuf alone, and nobody stores: whether there are no verbs or none are told.
const onlyInAnswers = new Set(['APIResourceList']);
// Stored as JSON, where a list may be empty and not none; in protobuf it is all one.
const isStoredAsJson = (apiVersion: string) => apiVersion.startsWith('apiextensions.k8s.io/');

/** Go's JSON, with such keys in front as every JavaScript object has in front: whole numbers. */
const told = (json: Buffer): string => jsonText(parseExactJson(json.toString()));

class Differences {
  readonly #found: string[] = [];
  readonly #what: string;
  count = 0;

  constructor(what: string) {
    this.#what = what;
  }

  compare(where: string, ours: () => string, theirs: string): void {
    this.count++;
    let got: string;
    try {
      got = ours();
    } catch (error) {
      got = `error: ${messageOf(error)}`;
    }
    if (got === theirs) return;
    let at = 0;
    while (got[at] === theirs[at]) at++;
    const around = (text: string) => JSON.stringify(text.slice(Math.max(0, at - 60), at + 60));
    this.#found.push(`${where}: ours ${around(got)}, Go's ${around(theirs)}`);
  }

  check(): void {
    const { length } = this.#found;
    assert.equal(length, 0, `${length} of ${this.count} ${this.#what}:\n${this.#found.slice(0, 10).join('\n')}`);
  }
}

/** Every kind of ours with its objects. */
async function everyObject(
  form: 'json' | 'protobuf',
  look: (forms: GoForms, typeName: string, apiVersion: string, kind: string, where: string) => void | Promise<void>,
): Promise<number> {
  let count = 0;
  for (const [apiVersion, kind] of await go.kinds()) {
    const typeName = typeNameOf(apiVersion, kind);
    if (typeName === undefined || onlyInAnswers.has(kind)) continue;
    for (let seed = first; seed < first + seeds; seed++) {
      const forms = await go.make(apiVersion, kind, form, seed);
      assert.equal(forms.error, undefined, `${apiVersion} ${kind} ${seed}`);
      await look(forms, typeName, apiVersion, kind, `${apiVersion} ${kind}, seed ${seed}`);
      count++;
    }
  }
  assert.ok(count >= 600 * seeds, String(count));
  return count;
}

test('JSON: what Go stores of it, and the protobuf of that', { skip }, async t => {
  const texts = new Differences('texts');
  const bytes = new Differences('messages');
  const count = await everyObject('json', ({ json, stored, protobuf }, typeName, apiVersion, _, where) => {
    const read = () => normalize(typeName, parseJson(json).value);
    texts.compare(where, () => jsonText(read()), told(stored));
    if (protobuf.length && !isStoredAsJson(apiVersion))
      bytes.compare(where, () => encodeProtobuf(typeName, read()).toString('hex'), protobuf.toString('hex'));
  });
  t.diagnostic(`${count} objects`);
  texts.check();
  bytes.check();
});

test('YAML: what Go reads in what Go wrote', { skip }, async () => {
  const texts = new Differences('texts');
  await everyObject('json', async ({ yaml }, typeName, apiVersion, kind, where) => {
    if (!yaml.length) return;
    const { error, stored } = await go.read(apiVersion, kind, 'yaml', yaml);
    const refused = `error: error decoding YAML: error converting YAML to JSON: ${error}`;
    const ours = () => jsonText(normalize(typeName, parseYaml(yaml).value));
    texts.compare(where, ours, error === undefined ? told(stored) : refused);
  });
  texts.check();
});

test('protobuf: what Go stores of it, as JSON and in protobuf', { skip }, async () => {
  const texts = new Differences('texts');
  const bytes = new Differences('messages');
  await everyObject('protobuf', ({ sent, stored, protobuf }, typeName, apiVersion, _, where) => {
    if (!sent.length || isStoredAsJson(apiVersion)) return;
    const read = () => decodeProtobuf(sent, typeName).object;
    texts.compare(where, () => jsonText(read()), told(stored));
    bytes.compare(where, () => encodeProtobuf(typeName, read()).toString('hex'), protobuf.toString('hex'));
  });
  texts.check();
  bytes.check();
});

const random = seededRandom(first);
const below = (n: number): number => Math.floor(random.next() * n);
const one = <T>(of: readonly T[]): T => of[below(of.length)]!;

const kinds = [
  ['v1', 'Pod'],
  ['v1', 'ConfigMap'],
  ['v1', 'Secret'],
  ['v1', 'Service'],
  ['v1', 'Node'],
  ['v1', 'Event'],
  ['apps/v1', 'Deployment'],
  ['apps/v1', 'ControllerRevision'],
  ['batch/v1', 'Job'],
  ['policy/v1', 'PodDisruptionBudget'],
  ['coordination.k8s.io/v1', 'Lease'],
  ['certificates.k8s.io/v1', 'CertificateSigningRequest'],
  ['networking.k8s.io/v1', 'NetworkPolicy'],
  ['autoscaling/v2', 'HorizontalPodAutoscaler'],
] as const;

// Fields no message has: a number, a text, a group, 32 bits; the end of a group that is none, no field, no form.
const strayFields = ['980601', '9a060141', '9b0608019c06', '9d0601020304', '0c', '00', '07'].map(hex =>
  Buffer.from(hex, 'hex'),
);
const strayTexts = ['null', '{}', '[]', '1', '"x"', 'true', '1e400', '-0', '1.5', '"\\ud800"', '\x01', '\xff'].map(
  text => Buffer.from(text, 'latin1'),
);

/** One change or two, behind the prefix of protobuf. */
function broken(body: Buffer, form: Form): Buffer {
  let out = body;
  for (let changes = 1 + below(2); changes > 0; changes--) {
    const at = 4 + below(Math.max(1, out.length - 4));
    const [head, tail] = [out.subarray(0, at), out.subarray(at)];
    const byte = Buffer.from([below(256)]);
    const flipped = Buffer.from([(tail[0] ?? 0) ^ (1 << below(8))]);
    const [again, behind] = [tail.subarray(0, 1 + below(12)), tail.subarray(1)];
    const stray = form === 'protobuf' ? [out, one(strayFields)] : [head, one(strayTexts), behind];
    out = Buffer.concat(
      one([
        [head, byte, behind],
        [head, flipped, behind],
        [head],
        [head, behind],
        [head, byte, tail],
        [head, again, tail],
        stray,
      ]),
    );
  }
  // Go takes minutes for a quantity of that many digits.
  return /[0-9.][eE]\+?\d{3,}/.test(out.toString('latin1')) ? body : out;
}

/** Without what the path says. */
const bare = ({ kind: _, apiVersion: __, ...object }: Record<string, unknown>): string => jsonText(object);

/** Breaks objects of some kinds; gives back what is read of each, or why it is not, by us and by Go. */
async function breakAll(
  form: 'json' | 'protobuf',
  read: (body: Buffer, typeName: string) => object,
): Promise<{ where: string; ours: string; theirs: string; whyOurs?: string; whyTheirs?: string }[]> {
  const out: Awaited<ReturnType<typeof breakAll>> = [];
  for (const [apiVersion, kind] of kinds) {
    const typeName = typeNameOf(apiVersion, kind)!;
    for (let seed = first; seed < first + 2 * seeds; seed++) {
      const forms = await go.make(apiVersion, kind, form, seed);
      const bodies = Array.from({ length: 40 }, () => broken(form === 'json' ? forms.json : forms.sent, form));
      const answers = await Promise.all(bodies.map(body => go.read(apiVersion, kind, form, body)));
      for (const [i, body] of bodies.entries()) {
        const { error: whyTheirs, stored } = answers[i]!;
        const where = `${apiVersion} ${kind}, seed ${seed}: ${form === 'json' ? body : body.toString('hex')}`;
        const theirs =
          whyTheirs === undefined ? bare(parseExactJson(stored.toString()) as Record<string, unknown>) : '';
        let ours = '';
        let whyOurs: string | undefined;
        try {
          ours = bare(read(body, typeName) as Record<string, unknown>);
        } catch (error) {
          whyOurs = messageOf(error).replace(/^.*? cannot be handled as a \w+: /, '');
        }
        out.push({
          where,
          ours,
          theirs,
          ...(whyOurs === undefined ? {} : { whyOurs }),
          ...(whyTheirs === undefined ? {} : { whyTheirs }),
        });
      }
    }
  }
  return out;
}

test('broken protobuf is refused where Go refuses it, and read alike where it is not', { skip }, async t => {
  // Of the years nobody can write, of entries of maps whose parts end behind them, and of kinds that only the path tells.
  // A message that comes in two parts is the last one; Go puts them together, and no encoder writes them.
  const stricter = /^Time: year outside|^unexpected EOF$|^no kind ""|^no kind .* version ""/;
  // What is read and cannot be written.
  const later = /calling MarshalJSON/;
  const texts = new Differences('broken messages');
  let same = 0;
  let refused = 0;
  for (const { where, ours, theirs, whyOurs, whyTheirs } of await breakAll(
    'protobuf',
    body => decodeProtobuf(body).object,
  )) {
    if (whyOurs !== undefined && whyTheirs !== undefined) {
      refused++;
      if (whyTheirs.startsWith(whyOurs)) same++;
    } else if (!(stricter.test(whyOurs ?? '') || later.test(whyTheirs ?? '')))
      texts.compare(where, () => whyOurs ?? ours, whyTheirs ?? theirs);
  }
  t.diagnostic(`${refused} refused, ${same} in the same words`);
  texts.check();
  assert.ok(same / refused > 0.9, `${same} of ${refused}`);
});

test('broken JSON is refused where Go refuses it, and read alike where it is not', { skip }, async t => {
  // Of kinds, which the path tells.
  const kind = /^no kind |unexpected GroupVersion/;
  const texts = new Differences('broken texts');
  let refused = 0;
  for (const { where, ours, theirs, whyOurs, whyTheirs } of await breakAll('json', (body, typeName) =>
    normalize(typeName, parseJson(body).value),
  )) {
    if (whyOurs !== undefined && whyTheirs !== undefined) refused++;
    else if (!kind.test(whyTheirs ?? '')) texts.compare(where, () => whyOurs ?? ours, whyTheirs ?? theirs);
  }
  t.diagnostic(`${refused} refused`);
  texts.check();
});
