// What a component shows of itself: /statusz, /flagz and /debug/pprof. The caller has asked who may see them.
import type { Clock } from '../clock.ts';
import { yamlText } from '../yaml-text.ts';
import { type ProfileKind, ProfilerBusyError, takeProfile } from './profile.ts';

export interface DebugOptions {
  /** As `kube-apiserver`. */
  readonly component: string;
  /** `1.36.2`. */
  readonly version: string;
  /** By name without dashes; values as Go prints them. */
  readonly flags: Readonly<Record<string, string>>;
  /** Other paths it serves. */
  readonly paths: readonly string[];
  /** As --profiling; default true. */
  readonly profiling?: boolean;
  readonly clock: Clock;
}

export interface DebugAnswer {
  readonly code: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface DebugRequest {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly accept: string | undefined;
  /** Aborts when the client is gone. */
  readonly signal?: AbortSignal;
}

export type DebugPaths = (request: DebugRequest) => DebugAnswer | Promise<DebugAnswer> | undefined;

const text = (code: number, body: string): DebugAnswer => ({ code, contentType: 'text/plain; charset=utf-8', body });

/** Answers undefined for paths that are none of these. */
export function debugPaths(options: DebugOptions): DebugPaths {
  const startMs = options.clock.now() - process.uptime() * 1000;
  return request => {
    const { path } = request;
    if (path === '/statusz') return statusz(options, startMs, request.accept);
    if (path === '/flagz') return flagz(options, request.accept);
    if (options.profiling === false || !path.startsWith('/debug/pprof')) return undefined;
    return pprof(options, request);
  };
}

const warning =
  'Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.';

// In these versions the structured form is the same.
const newestVersion = 'v1beta1';
const structuredVersions = [newestVersion, 'v1alpha1'];
const structuredTypes = ['application/json', 'application/yaml'];
const offered = [...structuredTypes, 'text/plain'];

interface Form {
  /** '' for text. */
  readonly version: string;
  readonly mediaType: string;
}

const plain: Form = { version: '', mediaType: 'text/plain' };

/** What is asked for; undefined for what there is not. */
function formOf(accept: string | undefined, kind: string): Form | undefined {
  if (!accept) return plain;
  for (const clause of accept.split(',')) {
    const [mediaType = '', ...rest] = clause.split(';').map(part => part.trim());
    const parameters = new Map(rest.map(part => part.split('=', 2) as [string, string]));
    const version = parameters.get('v') ?? '';
    if (structuredTypes.includes(mediaType)) {
      const isKnown = parameters.get('as') === kind && parameters.get('g') === 'config.k8s.io';
      if (isKnown && structuredVersions.includes(version)) return { version, mediaType };
    } else if (mediaType === 'text/plain' || mediaType === 'text/*' || mediaType === '*/*') return plain;
  }
  return undefined;
}

function answer(accept: string | undefined, kind: string, component: string, lines: string, fields: object) {
  const form = formOf(accept, kind);
  if (!form) return notAcceptable(accept);
  const { version, mediaType } = form;
  if (version === '') return text(200, lines);
  const object = { kind, apiVersion: `config.k8s.io/${version}`, metadata: { name: component }, ...fields };
  const old = `This version of the ${kind.toLowerCase()} endpoint is deprecated. Please use a newer version.`;
  return {
    code: 200,
    contentType: `${mediaType};g=config.k8s.io;v=${version};as=${kind}`,
    body: written(mediaType, object),
    ...(version === newestVersion ? {} : { headers: { warning: `299 - "${old}"` } }),
  };
}

const written = (mediaType: string, object: object): string =>
  mediaType === 'application/yaml' ? yamlText(object) : `${JSON.stringify(object)}\n`;

function notAcceptable(accept = ''): DebugAnswer {
  const contentType = accept.trim().startsWith('application/yaml') ? 'application/yaml' : 'application/json';
  const message = `only the following media types are accepted: ${offered.join(', ')}`;
  const head = { kind: 'Status', apiVersion: 'v1', metadata: {} };
  const status = { ...head, status: 'Failure', message, reason: 'NotAcceptable', code: 406 };
  return { code: 406, contentType, body: written(contentType, status) };
}

const two = (n: number) => String(n).padStart(2, '0');

function statusz({ component, version, paths, clock }: DebugOptions, startMs: number, accept: string | undefined) {
  const started = new Date(Math.floor(startMs / 1000) * 1000);
  const up = Math.max(0, Math.floor((clock.now() - startMs) / 1000));
  const [, day, date, month, year, time] = /^(\w+), (\d+) (\w+) (\d+) (.*) GMT$/.exec(started.toUTCString()) ?? [];
  const emulation = version.split('.').slice(0, 2).join('.');
  const goVersion = `node${process.versions.node}`;
  const lines = [
    '',
    `${component} statusz`,
    warning,
    '',
    `Started: ${day} ${month} ${Number(date)} ${time} UTC ${year}`,
    `Up: ${Math.floor(up / 3600)} hr ${two(Math.floor(up / 60) % 60)} min ${two(up % 60)} sec`,
    `Go version: ${goVersion}`,
    `Binary version: ${version}`,
    `Emulation version: ${emulation}`,
    `Paths: ${paths.join(' ')}`,
    '',
  ];
  return answer(accept, 'Statusz', component, lines.join('\n'), {
    startTime: `${started.toISOString().slice(0, 19)}Z`,
    uptimeSeconds: up,
    goVersion,
    binaryVersion: version,
    emulationVersion: emulation,
    paths,
  });
}

function flagz({ component, flags }: DebugOptions, accept: string | undefined) {
  const names = Object.keys(flags).sort();
  const lines = ['', `${component} flagz`, warning, ...names.map(name => `${name}: ${flags[name]}`), ''];
  const sorted = Object.fromEntries(names.map(name => [name, flags[name]]));
  return answer(accept, 'Flagz', component, lines.join('\n'), { flags: sorted });
}

const longestSeconds = 600;
const defaultSeconds = { profile: 30, heap: 5 } as const;

function pprof(options: DebugOptions, { path, query, signal }: DebugRequest) {
  const what = path.slice('/debug/pprof'.length).replace(/^\//, '');
  if (path === '/debug/pprof') return { ...text(302, ''), headers: { location: '/debug/pprof/' } };
  if (what === '') return { code: 200, contentType: 'text/html; charset=utf-8', body: index };
  if (what === 'cmdline') return text(200, process.argv.join('\0'));
  if (what === 'profile' || what === 'heap') return profile(what, query, options.clock, signal);
  return text(404, `Unknown profile\n`);
}

async function profile(kind: ProfileKind, query: URLSearchParams, clock: Clock, signal: AbortSignal | undefined) {
  const given = query.get('seconds');
  const seconds = given === null || given === '0' ? defaultSeconds[kind] : Number(given);
  if (!Number.isInteger(seconds) || seconds < 0 || seconds > longestSeconds)
    return text(400, `seconds must be a whole number up to ${longestSeconds}\n`);
  try {
    const body = await takeProfile(kind, seconds, { clock, ...(signal ? { signal } : {}) });
    const name = kind === 'profile' ? 'profile.cpuprofile' : 'heap.heapprofile';
    const headers = { 'content-disposition': `attachment; filename="${name}"` };
    return { code: 200, contentType: 'application/json', body, headers };
  } catch (error) {
    if (error instanceof ProfilerBusyError) return text(500, `${error.message}\n`);
    throw error;
  }
}

const index = `<html><head><title>/debug/pprof/</title></head><body>/debug/pprof/<br><p>Profiles of V8: Chrome's developer tools, VS Code and speedscope open them.</p><ul>
<li><a href='cmdline'>cmdline</a>: the command line</li>
<li><a href='heap?seconds=5'>heap</a>: what is allocated in some seconds and lives (.heapprofile)</li>
<li><a href='profile?seconds=30'>profile</a>: where the processor's time goes (.cpuprofile)</li>
</ul></body></html>
`;
