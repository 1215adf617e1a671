// What requests of nearly the size they may have are made of.

export interface LargeRequest {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Scenario {
  readonly name: string;
  /** Sent before, not measured; all but the last have to succeed. */
  readonly before?: readonly LargeRequest[];
  readonly request: LargeRequest;
}

export const json = { 'content-type': 'application/json' };
export const merge = { 'content-type': 'application/merge-patch+json' };
export const strategic = { 'content-type': 'application/strategic-merge-patch+json' };
export const operations = { 'content-type': 'application/json-patch+json' };
export const yaml = { 'content-type': 'application/yaml' };
export const apply = { 'content-type': 'application/apply-patch+yaml' };
export const table = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
export const protobuf = { accept: 'application/vnd.kubernetes.protobuf' };

export const core = '/api/v1/namespaces/default';
export const dry = 'dryRun=All';

/** As many items as fit. */
export function fill(bytes: number, item: (n: number) => string, open = '[', close = ']'): string {
  const parts: string[] = [];
  for (let left = bytes, n = 0; left > 0; n++) {
    const text = item(n);
    left -= text.length + 1;
    parts.push(text);
  }
  return `${open}${parts.join(',')}${close}`;
}

export const map = (bytes: number, item: (n: number) => string): string => fill(bytes, item, '{', '}');
/** Short names, all different. */
export const short = (n: number): string => n.toString(36);
export const text = (bytes: number, unit: string): string => unit.repeat(Math.floor(bytes / unit.length));

export interface Body {
  readonly kind: string;
  readonly apiVersion?: string;
  readonly name?: string;
  readonly metadata?: string;
  /** What else is in it, as JSON. */
  readonly rest: string;
}

export const body = ({ kind, apiVersion = 'v1', name = 'x', metadata = '', rest }: Body): string =>
  `{"apiVersion":"${apiVersion}","kind":"${kind}","metadata":{"name":"${name}"${metadata}},${rest}}`;

export const post = (path: string, text: string, headers: Record<string, string> = json): LargeRequest => ({
  method: 'POST',
  path,
  body: text,
  headers,
});
export const put = (path: string, text: string): LargeRequest => ({ method: 'PUT', path, body: text, headers: json });
export const patch = (path: string, text: string, headers: Record<string, string>): LargeRequest => ({
  method: 'PATCH',
  path,
  body: text,
  headers,
});
export const remove = (path: string): LargeRequest => ({ method: 'DELETE', path });

/** One object written in each of the ways there are, and read in each. */
export function* writes(
  name: string,
  folder: string,
  small: Body,
  large: Body,
  other: Body,
  patches = true,
): Generator<Scenario> {
  const at = `${folder}/${large.name ?? 'x'}`;
  const [smallText, largeText, otherText] = [body(small), body(large), body(other)];
  const clean = remove(at);
  yield { name: `${name}: create`, before: [clean], request: post(folder, largeText) };
  yield { name: `${name}: create, yaml`, before: [clean], request: post(folder, largeText, yaml) };
  yield {
    name: `${name}: small to large`,
    before: [clean, post(folder, smallText)],
    request: put(at, largeText),
  };
  yield { name: `${name}: large to other`, before: [clean, post(folder, largeText)], request: put(at, otherText) };
  yield { name: `${name}: large to small`, before: [clean, post(folder, largeText)], request: put(at, smallText) };
  yield { name: `${name}: the same again`, before: [clean, post(folder, largeText)], request: put(at, largeText) };
  yield {
    name: `${name}: label of large`,
    before: [clean, post(folder, largeText)],
    request: patch(at, '{"metadata":{"labels":{"a":"b"}}}', merge),
  };
  yield {
    name: `${name}: apply`,
    before: [clean],
    request: patch(`${at}?fieldManager=a&force=true`, largeText, apply),
  };
  yield {
    name: `${name}: apply over large`,
    before: [clean, post(folder, largeText)],
    request: patch(`${at}?fieldManager=a&force=true`, largeText, apply),
  };
  yield {
    name: `${name}: apply other over applied`,
    before: [clean, patch(`${at}?fieldManager=a&force=true`, largeText, apply)],
    request: patch(`${at}?fieldManager=a&force=true`, otherText, apply),
  };
  yield {
    name: `${name}: apply other over large, conflicts`,
    before: [clean, post(folder, largeText)],
    request: patch(`${at}?fieldManager=a`, otherText, apply),
  };
  if (patches)
    for (const [how, headers] of [
      ['merge', merge],
      ['strategic', strategic],
    ] as const)
      yield {
        name: `${name}: ${how} patch with other`,
        before: [clean, post(folder, largeText)],
        request: patch(at, otherText, headers),
      };
  const read = [clean, post(folder, largeText)];
  yield { name: `${name}: get`, before: read, request: { method: 'GET', path: at } };
  yield { name: `${name}: get as table`, before: read, request: { method: 'GET', path: at, headers: table } };
  yield { name: `${name}: get as protobuf`, before: read, request: { method: 'GET', path: at, headers: protobuf } };
  yield {
    name: `${name}: get as yaml`,
    before: read,
    request: { method: 'GET', path: at, headers: { accept: 'application/yaml' } },
  };
  yield { name: `${name}: list`, before: read, request: { method: 'GET', path: folder } };
  yield { name: `${name}: list as table`, before: read, request: { method: 'GET', path: folder, headers: table } };
  yield {
    name: `${name}: list by labels`,
    before: read,
    request: { method: 'GET', path: `${folder}?labelSelector=${encodeURIComponent('a=b,!c')}` },
  };
  yield { name: `${name}: delete`, before: read, request: clean };
}

export const container = (n: number) => `{"name":"c${short(n)}","image":"a"}`;
