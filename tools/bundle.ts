// Makes few files of many modules: loading 370 of them takes a third of the API server's start. Server and agent are one
// script each (src/cluster/code-cache.ts), the rest are ES modules.
//   tools/bundle.ts          for this repository, into .cache/bundle/ (bin/entry.js runs it while it fits the sources)
import { createHash } from 'node:crypto';
import { globSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, extname, join, relative } from 'node:path';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { bundleFolder, sourceState } from '../bin/entry.js';

const root = join(import.meta.dirname, '..');
// A cluster that runs from an older bundle loads parts of it late.
const keptMs = 30 * 24 * 3600 * 1000;

// What brings a program for each platform, or is loaded by its place.
const outside = ['lmdb', 'node'];

// What these hold is one script each, because only of a script can the code be kept that V8 makes while it runs.
const scripts = ['server-role', 'agent-role'];

/** Bundles `entry` and all it imports into `folder`, but for builtin modules and the packages of `outside`. */
export async function bundle(entry: string, folder: string): Promise<void> {
  const common: BuildOptions = {
    absWorkingDir: root,
    outdir: folder,
    bundle: true,
    minifyWhitespace: true,
    minifySyntax: true,
    lineLimit: 160,
    platform: 'node',
    target: 'node26',
    external: outside,
    // Named exports of packages of the older kind are not seen by imports that wait.
    mainFields: ['module', 'main'],
  };
  const extension = extname(entry);
  await build({
    ...common,
    entryPoints: scripts.map(name => join(dirname(entry), `${name}${extension}`)),
    outExtension: { '.js': '.cjs' },
    format: 'cjs',
    define: { 'import.meta.url': 'scriptUrl' },
    // Those of builtin modules become calls of require; a script's own need an experiment of Node's.
    supported: { 'dynamic-import': false },
    banner: { js: '(function(require,module,exports,scriptUrl,importModule){"use strict";' },
    footer: { js: '})' },
    plugins: [keepPlaces(folder, true), leaner],
  });
  await build({
    ...common,
    entryPoints: [entry],
    splitting: true,
    format: 'esm',
    // What packages of the older kind ask for when they run.
    banner: {
      js: "import { createRequire as requireOf } from 'node:module';const require = requireOf(import.meta.url);",
    },
    plugins: [fromScripts(entry, folder), keepPlaces(folder), leaner],
  });
}

/** What `entry` imports of a script is loaded by `code-cache`. */
function fromScripts(entry: string, folder: string): Plugin {
  const loader = join(dirname(entry), `code-cache${extname(entry)}`);
  return {
    name: 'from-scripts',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^\.\/[a-z]+-role\.[jt]s$/ }, ({ path }) => {
        const name = basename(path, extname(path));
        return scripts.includes(name) ? { path: name, namespace: 'from-scripts' } : undefined;
      });
      onLoad({ filter: /./, namespace: 'from-scripts' }, ({ path }) => {
        const content = createHash('sha256')
          .update(readFileSync(join(folder, `${path}.cjs`)))
          .digest('hex');
        const contents = `import { loadScript } from ${JSON.stringify(loader)};
          export const { run } = loadScript(new URL('${path}.cjs', import.meta.url).href, '${content}');`;
        return { contents, resolveDir: root };
      });
    },
  };
}

/**
 * Data files lie beside the module that reads them, also when that module's code has moved. In a script, what is not known
 * by name is imported by `code-cache`.
 */
function keepPlaces(folder: string, inScript = false): Plugin {
  return {
    name: 'keep-places',
    setup({ onLoad }) {
      onLoad({ filter: /\.[jt]s$/ }, ({ path }) => {
        const text = readFileSync(path, 'utf8');
        const place = JSON.stringify(relative(folder, path));
        const placed = text.replaceAll('import.meta.url', `new URL(${place}, import.meta.url).href`);
        const ours = inScript && !path.includes('/node_modules/');
        const contents = ours ? placed.replaceAll(/\bimport\((?!['"])/g, 'importModule(') : placed;
        return contents === text ? undefined : { contents, loader: path.endsWith('.ts') ? 'ts' : 'js' };
      });
    },
  };
}

// What takes time to load and is not used.
const lean: Record<string, string> = {
  // An import of it makes Node read all it exports, its WebSocket too, which loads a whole HTTP client: a tenth of the API
  // server's start.
  http: "module.exports = process.getBuiltinModule('node:http');",
  // Without what pushes metrics, gathers those of a cluster of processes, and watches the process.
  'prom-client': ['Counter', 'Gauge', 'Registry']
    .map(name => `exports.${name} = require('prom-client/lib/${name.toLowerCase()}');`)
    .join('\n'),
};

// What few starts use, which is run when something of it is first asked for.
const late = ['@grpc/grpc-js', 'yaml'];

const leaner: Plugin = {
  name: 'leaner',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /./ }, ({ path, namespace }) => {
      const name = path.replace(/^node:/, '');
      const ours = namespace !== 'leaner' && (Object.hasOwn(lean, name) || late.includes(name));
      return ours ? { path: name, namespace: 'leaner' } : undefined;
    });
    onLoad({ filter: /./, namespace: 'leaner' }, async ({ path }) => {
      const contents = lean[path] ?? whenAsked(path, Object.keys(await import(path)));
      return { contents, resolveDir: root };
    });
  },
};

function whenAsked(name: string, exported: readonly string[]): string {
  const getters = exported.map(key => `get ${JSON.stringify(key)}() { return load()[${JSON.stringify(key)}]; }`);
  return `let loaded; const load = () => (loaded ??= require('${name}')); module.exports = {${getters.join(',')}};`;
}

async function bundleRepository(): Promise<void> {
  const state = sourceState();
  const name = createHash('sha256')
    .update(JSON.stringify(state))
    .update(readFileSync(import.meta.filename))
    .digest('hex')
    .slice(0, 16);
  const folder = join(bundleFolder, name);
  await bundle(join(root, 'src/cluster/main.ts'), folder);
  mkdirSync(bundleFolder, { recursive: true });
  const manifest = join(bundleFolder, 'current.json');
  writeFileSync(`${manifest}.new`, JSON.stringify({ folder: name, ...state }));
  renameSync(`${manifest}.new`, manifest);
  for (const main of globSync('*/main.js', { cwd: bundleFolder })) {
    const age = Date.now() - statSync(join(bundleFolder, main)).mtimeMs;
    if (age > keptMs) rmSync(join(bundleFolder, dirname(main)), { recursive: true });
  }
}

if (import.meta.main) await bundleRepository();
