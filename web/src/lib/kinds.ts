/** The types of repositories, and how addresses and sentences name them. */
export type Kind = 'model' | 'dataset' | 'space';

export const KINDS: readonly Kind[] = ['model', 'dataset', 'space'];

export interface KindWords {
  one: string;
  many: string;
  title: string;
}

const WORDS: Record<Kind, KindWords> = {
  model: { one: 'model', many: 'models', title: 'Models' },
  dataset: { one: 'dataset', many: 'datasets', title: 'Datasets' },
  space: { one: 'Space', many: 'Spaces', title: 'Spaces' },
};

export function wordsOf(kind: Kind): KindWords {
  return WORDS[kind];
}

/** "models" in the API's addresses and the lists'. */
export function pluralOf(kind: Kind): string {
  return `${kind}s`;
}

export function kindOfPlural(plural: string): Kind {
  return plural === 'datasets' ? 'dataset' : plural === 'spaces' ? 'space' : 'model';
}

/** Each part of a path made safe for an address; slashes stay. */
export function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

/** The address of a repository's page, or of one below it. */
export function repoHref(kind: Kind, id: string, ...parts: string[]): string {
  const prefix = kind === 'model' ? '' : `/${pluralOf(kind)}`;
  return `${prefix}/${encodePath(id)}${parts.map((part) => `/${part}`).join('')}`;
}

/** …/tree/REV/PATH and its like. A revision with a slash is one part of the address. */
export function fileHref(kind: Kind, id: string, page: 'tree' | 'blob' | 'resolve' | 'raw', revision: string, path = ''): string {
  return repoHref(kind, id, page, encodeURIComponent(revision), ...(path === '' ? [] : [encodePath(path)]));
}

export function commitsHref(kind: Kind, id: string, revision: string): string {
  return repoHref(kind, id, 'commits', encodeURIComponent(revision));
}
