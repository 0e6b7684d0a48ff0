/** Colours code. The core and each language are fetched when some code needs them. */
import type { HLJSApi, LanguageFn } from 'highlight.js';

// Maps and not objects: what is asked for is a stranger's word, such as `constructor`.
const LANGUAGES = new Map<string, () => Promise<{ default: LanguageFn }>>(Object.entries({
  bash: () => import('highlight.js/lib/languages/bash'),
  c: () => import('highlight.js/lib/languages/c'),
  cpp: () => import('highlight.js/lib/languages/cpp'),
  css: () => import('highlight.js/lib/languages/css'),
  diff: () => import('highlight.js/lib/languages/diff'),
  dockerfile: () => import('highlight.js/lib/languages/dockerfile'),
  go: () => import('highlight.js/lib/languages/go'),
  ini: () => import('highlight.js/lib/languages/ini'),
  java: () => import('highlight.js/lib/languages/java'),
  javascript: () => import('highlight.js/lib/languages/javascript'),
  json: () => import('highlight.js/lib/languages/json'),
  julia: () => import('highlight.js/lib/languages/julia'),
  latex: () => import('highlight.js/lib/languages/latex'),
  lua: () => import('highlight.js/lib/languages/lua'),
  makefile: () => import('highlight.js/lib/languages/makefile'),
  markdown: () => import('highlight.js/lib/languages/markdown'),
  python: () => import('highlight.js/lib/languages/python'),
  r: () => import('highlight.js/lib/languages/r'),
  ruby: () => import('highlight.js/lib/languages/ruby'),
  rust: () => import('highlight.js/lib/languages/rust'),
  sql: () => import('highlight.js/lib/languages/sql'),
  swift: () => import('highlight.js/lib/languages/swift'),
  typescript: () => import('highlight.js/lib/languages/typescript'),
  xml: () => import('highlight.js/lib/languages/xml'),
  yaml: () => import('highlight.js/lib/languages/yaml'),
}));

const ALIASES = new Map(Object.entries({
  sh: 'bash', shell: 'bash', console: 'bash', zsh: 'bash', h: 'c', cc: 'cpp', hpp: 'cpp', 'c++': 'cpp', cu: 'cpp', patch: 'diff',
  toml: 'ini', cfg: 'ini', js: 'javascript', mjs: 'javascript', cjs: 'javascript', jsx: 'javascript', jsonl: 'json', jl: 'julia',
  tex: 'latex', mk: 'makefile', md: 'markdown', py: 'python', pyi: 'python', rb: 'ruby', rs: 'rust', ts: 'typescript',
  tsx: 'typescript', html: 'xml', svg: 'xml', svelte: 'xml', vue: 'xml', yml: 'yaml', jinja: 'xml',
}));

const NAMES = new Map(Object.entries({ dockerfile: 'dockerfile', makefile: 'makefile', '.gitattributes': 'ini', '.gitignore': 'ini' }));

/** Longer code stays plain: colouring it would hold the page up. */
const CODE_LENGTH_MAX = 200_000;

let core: Promise<HLJSApi> | undefined;

export function languageOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1).toLowerCase();
  return NAMES.get(name) ?? (name.includes('.') ? name.slice(name.lastIndexOf('.') + 1) : '');
}

/** Markup in which all of `code` is escaped text; undefined when the language is not known. */
export async function highlight(code: string, language: string): Promise<string | undefined> {
  const wanted = language.toLowerCase();
  const name = ALIASES.get(wanted) ?? wanted;
  const load = LANGUAGES.get(name);
  if (!load || code.length > CODE_LENGTH_MAX) return undefined;
  core ??= import('highlight.js/lib/core').then((module) => module.default);
  const [hljs, grammar] = await Promise.all([core, load()]);
  if (!hljs.getLanguage(name)) hljs.registerLanguage(name, grammar.default);
  return hljs.highlight(code, { language: name, ignoreIllegals: true }).value;
}
