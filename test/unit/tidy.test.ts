/** Rules of the repository that neither the compiler nor the linter nor the formatter enforces. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { beforeAll, expect, test } from 'vitest';

const ROOT = new URL('../../', import.meta.url).pathname;
const COLUMNS_MAX = 100;
/** Java is here for the tests only, and formatted by nobody. */
const JAVA_COLUMNS_MAX = 120;
const CODE = /\.(ts|mjs|java|lua|sh)$/;
const PACKAGES = [
  'runtime',
  'kafka',
  'storage',
  'coordinator',
  'proxy',
  'workers',
  'cli',
  'docker',
];
/** Folders of tests that one README explains, with all that is below them. */
const EXPLAINED_ABOVE = /^test\/(unit|integration|faults|compat)\//;

interface SourceFile {
  readonly path: string;
  readonly lines: readonly string[];
}

let files: readonly SourceFile[] = [];
let paths: ReadonlySet<string> = new Set();

beforeAll(() => {
  const listed = execFileSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8' });
  const present = listed.split('\0').filter((path) => path !== '' && existsSync(ROOT + path));
  paths = new Set(present);
  files = present.map((path) => ({ path, lines: readFileSync(ROOT + path, 'utf8').split('\n') }));
});

function code(): SourceFile[] {
  return files.filter(({ path }) => CODE.test(path));
}

/** @returns `path:line` of every line that is a violation */
function violations(
  of: readonly SourceFile[],
  isViolation: (line: string, file: SourceFile) => boolean,
): string[] {
  return of.flatMap((file) =>
    file.lines.flatMap((line, index) =>
      isViolation(line, file) ? [`${file.path}:${index + 1}: ${line.trim()}`] : [],
    ),
  );
}

test('every folder of code says in a README what lives there', () => {
  const folders = new Set(
    files.filter(({ path }) => path.endsWith('.ts')).map(({ path }) => dirname(path)),
  );
  const mute = [...folders].filter(
    (folder) =>
      folder !== '.' && !EXPLAINED_ABOVE.test(folder) && !paths.has(join(folder, 'README.md')),
  );
  expect(mute).toEqual([]);
});

test('every module of the product opens with a comment', () => {
  const modules = code().filter(({ path }) => PACKAGES.some((name) => path.startsWith(`${name}/`)));
  const mute = modules.filter(({ lines }) => {
    const opening = lines[0]?.startsWith('#!') === true ? lines[1] : lines[0];
    return !/^(\/\*\*|\/\/|--|#)/.test(opening ?? '');
  });
  expect(mute.map(({ path }) => path)).toEqual([]);
});

test(`lines of code are at most ${COLUMNS_MAX} columns wide, texts apart`, () => {
  const isText = /['"`]|^\s*\/\^/;
  const isTooWide = (line: string, { path }: SourceFile): boolean => {
    const columnsMax = path.endsWith('.java') ? JAVA_COLUMNS_MAX : COLUMNS_MAX;
    return line.length > columnsMax && !isText.test(line);
  };
  expect(violations(code(), isTooWide)).toEqual([]);
});

test('nothing names a machine, its folders or its package registry', () => {
  const machine = [
    String.raw`(^|[\s'"\`(=])/(work|root|home/\w+|Users/\w+|mnt)/`,
    'artifactory',
    'nexus',
    String.raw`registry\.(?!npmjs|k8s)`,
  ];
  const pattern = new RegExp(machine.join('|'), 'i');
  const others = files.filter(({ path }) => path !== 'test/unit/tidy.test.ts');
  expect(violations(others, (line) => pattern.test(line))).toEqual([]);
});

test('no test is left out or alone, and nothing is left to do without an issue', () => {
  const tests = files.filter(({ path }) => path.endsWith('.test.ts'));
  const leftOut = /\b(test|it|describe)\.(only|skip|todo|fails)\b/;
  const toDo = /\b(TODO|FIXME|XXX|HACK)\b(?!\(#\d+\))/;
  const others = code().filter(({ path }) => path !== 'test/unit/tidy.test.ts');
  expect(violations(tests, (line) => leftOut.test(line))).toEqual([]);
  expect(violations(others, (line) => toDo.test(line))).toEqual([]);
});

test('every unit test is where what it tests is', () => {
  const units = [...paths].filter((path) => /^test\/unit\/.+\.test\.ts$/.test(path));
  const lost = units.filter((path) => {
    const folder = dirname(path.slice('test/unit/'.length));
    const mirrored = folder === '.' ? '' : folder;
    return !existsSync(join(ROOT, mirrored)) && !existsSync(join(ROOT, `.${mirrored}`));
  });
  expect(lost.filter((path) => !path.startsWith('test/unit/faults/'))).toEqual([]);
});

test('links between documents lead somewhere', () => {
  const documents = files.filter(({ path }) => path.endsWith('.md'));
  const broken = documents.flatMap(({ path, lines }) => {
    const targets = [...lines.join('\n').matchAll(/\]\(([^)\s]+)\)/g)].map(
      ([, target = '']) => target,
    );
    return targets
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => !leadsSomewhere(path, target))
      .map((target) => `${path}: ${target}`);
  });
  expect(broken).toEqual([]);
});

function leadsSomewhere(from: string, target: string): boolean {
  const [file = '', anchor] = target.split('#');
  const path = file === '' ? from : join(dirname(from), file);
  if (!existsSync(ROOT + path)) return false;
  if (anchor === undefined) return true;
  const headings = readFileSync(ROOT + path, 'utf8').matchAll(/^#+ (.+)$/gm);
  return [...headings].some(([, heading = '']) => anchorOf(heading) === anchor);
}

/** As hosting sites make them. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{Letter}\p{Number}\s_-]/gu, '')
    .replaceAll(' ', '-');
}

test('packages have exact versions, and no address that they were fetched from', () => {
  // npm wrote both files.
  const manifest = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as {
    readonly version: string;
    readonly dependencies: Readonly<Record<string, string>>;
    readonly devDependencies: Readonly<Record<string, string>>;
  };
  const ranges = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }).filter(
    ([, version]) => !/^\d+\.\d+\.\d+$/.test(version),
  );
  expect(ranges).toEqual([]);
  expect(readFileSync(`${ROOT}package-lock.json`, 'utf8')).not.toContain('"resolved"');
});

test('the changelog has the form of Keep a Changelog', () => {
  const headings = readFileSync(`${ROOT}CHANGELOG.md`, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('#'));
  expect(headings[0]).toBe('# Changelog');
  expect(headings[1]).toBe('## [Unreleased]');
  const release = /^## \[(Unreleased|\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2})\]?$/;
  const kind = /^### (Added|Changed|Deprecated|Removed|Fixed|Security)$/;
  const others = headings.slice(1).filter((line) => !release.test(line) && !kind.test(line));
  expect(others).toEqual([]);
});
