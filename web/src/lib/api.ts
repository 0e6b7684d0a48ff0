/** The hub's public API, as far as the pages use it. What a page can do, a script can do. */
import { encodePath, pluralOf, type Kind } from './kinds';

/** An answer that is no success, in the words of the hub. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code: string,
    readonly requestId: string,
  ) {
    super(message);
  }
}

export interface RepoItem {
  id: string;
  author?: string;
  sha?: string;
  private?: boolean;
  gated?: false | 'auto' | 'manual';
  downloads?: number;
  likes?: number;
  lastModified?: string;
  createdAt?: string;
  tags?: string[];
  pipeline_tag?: string;
  library_name?: string;
  safetensors?: { parameters: Record<string, number>; total: number };
  gguf?: { total?: number; architecture?: string; context_length?: number };
  usedStorage?: number;
  sdk?: string;
}

export interface RepoInfo extends RepoItem {
  sha: string;
  lastModified: string;
  createdAt: string;
  cardData?: Record<string, unknown>;
  config?: Record<string, unknown>;
  transformersInfo?: Record<string, unknown>;
  siblings?: { rfilename: string }[];
  spaces?: string[];
  models?: string[];
  datasets?: string[];
}

export interface TreeEntry {
  type: 'file' | 'directory';
  path: string;
  size: number;
  oid: string;
  lfs?: { oid: string; size: number; pointerSize: number };
  lastCommit?: { id: string; title: string; date: string };
}

export interface CommitEntry {
  id: string;
  title: string;
  message: string;
  date: string;
  authors: { user: string; avatar?: string }[];
}

export interface Refs {
  branches: { name: string; ref: string; targetCommit: string }[];
  tags: { name: string; ref: string; targetCommit: string }[];
}

export interface Person {
  name: string;
  fullname?: string;
  orgs?: { name: string }[];
}

export interface Tag {
  id: string;
  label: string;
}

/** One page of a list. */
export interface Page<T> {
  items: T[];
  /** The address of the next page; empty at the end. */
  next: string;
  /** How many there are in all, where the hub says so. */
  total?: number;
}

async function ask(path: string, signal?: AbortSignal, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, ...(signal ? { signal } : {}) });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, 'The hub could not be reached. Check the connection, then try again.', '', '');
  }
  if (response.ok) return response;
  let message = response.headers.get('X-Error-Message') ?? '';
  if (message === '') message = `The hub answered with status ${response.status}.`;
  if (!/[.!?]$/.test(message)) message += '.';
  throw new ApiError(response.status, message, response.headers.get('X-Error-Code') ?? '',
    response.headers.get('X-Request-Id') ?? '');
}

async function askJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await (await ask(path, signal)).json()) as T;
}

/** A list's page; follows the hub's own address of the next one. */
export async function page<T>(path: string, signal?: AbortSignal): Promise<Page<T>> {
  const response = await ask(path, signal);
  const link = /<([^>]+)>;\s*rel="next"/.exec(response.headers.get('Link') ?? '');
  const total = response.headers.get('X-Total-Count');
  let next = '';
  if (link?.[1]) {
    // Behind a proxy the hub may know itself by another name: the path is what counts.
    const url = new URL(link[1], location.href);
    next = url.pathname + url.search;
  }
  return { items: (await response.json()) as T[], next, ...(total === null ? {} : { total: Number(total) }) };
}

const ROW_FIELDS: Record<Kind, string[]> = {
  model: ['likes', 'lastModified', 'private', 'gated', 'downloads', 'tags', 'pipeline_tag', 'library_name', 'safetensors', 'gguf'],
  dataset: ['likes', 'lastModified', 'private', 'gated', 'downloads', 'tags'],
  space: ['likes', 'lastModified', 'private', 'tags', 'sdk'],
};

/** The address of a list with what its rows show. */
export function listPath(kind: Kind, query: URLSearchParams): string {
  const full = new URLSearchParams(query);
  for (const field of ROW_FIELDS[kind]) full.append('expand', field);
  return `/api/${pluralOf(kind)}?${full}`;
}

export function list(kind: Kind, query: URLSearchParams, signal?: AbortSignal): Promise<Page<RepoItem>> {
  return page<RepoItem>(listPath(kind, query), signal);
}

export function repoInfo(kind: Kind, id: string, revision: string, signal?: AbortSignal): Promise<RepoInfo> {
  const at = revision === '' ? '' : `/revision/${encodeURIComponent(revision)}`;
  return askJson<RepoInfo>(`/api/${pluralOf(kind)}/${encodePath(id)}${at}`, signal);
}

/** How many models name this one as what they were made from. */
export async function descendantCount(id: string, signal?: AbortSignal): Promise<number> {
  return (await askJson<{ childrenModelCount?: number }>(`/api/models/${encodePath(id)}?expand=childrenModelCount`, signal)).childrenModelCount ?? 0;
}

export function refs(kind: Kind, id: string, signal?: AbortSignal): Promise<Refs> {
  return askJson<Refs>(`/api/${pluralOf(kind)}/${encodePath(id)}/refs`, signal);
}

export function treePath(kind: Kind, id: string, revision: string, path: string): string {
  const below = path === '' ? '' : `/${encodePath(path)}`;
  return `/api/${pluralOf(kind)}/${encodePath(id)}/tree/${encodeURIComponent(revision)}${below}?expand=true`;
}

export function commitsPath(kind: Kind, id: string, revision: string): string {
  return `/api/${pluralOf(kind)}/${encodePath(id)}/commits/${encodeURIComponent(revision)}`;
}

/** What is known of one path; null when there is nothing. */
export async function pathInfo(kind: Kind, id: string, revision: string, path: string, signal?: AbortSignal): Promise<TreeEntry | null> {
  const response = await ask(`/api/${pluralOf(kind)}/${encodePath(id)}/paths-info/${encodeURIComponent(revision)}`, signal, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ paths: [path], expand: true }),
  });
  const found = (await response.json()) as TreeEntry[];
  return found[0] ?? null;
}

/** A file's text, or its first `bytesMax` bytes. */
export async function fileText(href: string, bytesMax: number, signal?: AbortSignal): Promise<string> {
  const response = await ask(href, signal, { headers: { Range: `bytes=0-${bytesMax - 1}` } });
  return await response.text();
}

/** A part of a file. */
export async function fileBytes(href: string, begin: number, end: number, signal?: AbortSignal): Promise<ArrayBuffer> {
  const response = await ask(href, signal, { headers: { Range: `bytes=${begin}-${end - 1}` } });
  return await response.arrayBuffer();
}

export function tagsByType(kind: Kind, signal?: AbortSignal): Promise<Record<string, Tag[]>> {
  return kind === 'space' ? Promise.resolve({}) : askJson(`/api/${pluralOf(kind)}-tags-by-type`, signal);
}

export function trending(kind: Kind, limit: number, signal?: AbortSignal): Promise<RepoItem[]> {
  return list(kind, new URLSearchParams({ sort: 'trendingScore', limit: String(limit) }), signal).then((found) => found.items);
}

export function whoAmI(signal?: AbortSignal): Promise<Person> {
  return askJson<Person>('/api/whoami-v2', signal);
}

export async function setLike(kind: Kind, id: string, liked: boolean): Promise<void> {
  await ask(`/api/${pluralOf(kind)}/${encodePath(id)}/like`, undefined, { method: liked ? 'POST' : 'DELETE' });
}

export async function likedRepos(user: string, signal?: AbortSignal): Promise<{ repo: { name: string; type: Kind } }[]> {
  return (await page<{ repo: { name: string; type: Kind } }>(`/api/users/${encodeURIComponent(user)}/likes`, signal)).items;
}
