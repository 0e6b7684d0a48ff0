/**
 * What a list can be narrowed by, counted over the repositories of the hub. The API gives no counts, so they are taken
 * from one list of at most a thousand rows: exact on a hub of that size, and left out on a larger one.
 */
import { page, tagsByType, type RepoItem, type Tag } from './api';
import { language, library, rowCount, task } from './format';
import { pluralOf, type Kind } from './kinds';

export interface FacetOption {
  id: string;
  label: string;
  /** Of the repositories that meet every other filter; undefined on a hub too large to count here. */
  count: number | undefined;
}

export interface Facet {
  /** The parameter in the page's address. */
  name: string;
  title: string;
  options: FacetOption[];
}

/** What the counts are made from. */
export interface Sample {
  items: RepoItem[];
  isWhole: boolean;
  known: Record<string, Tag[]>;
}

export type Chosen = Record<string, string[]>;

interface FacetRule {
  name: string;
  title: string;
  kinds: Kind[];
  /** What a repository has of it, as the values in the address. */
  values: (item: RepoItem) => string[];
  label: (id: string) => string;
  /** The key of the hub's own list of values. */
  known?: string;
  /** Too many to list: only what a link chose is shown. */
  isOpenEnded?: boolean;
}

function tagged(prefix: string): (item: RepoItem) => string[] {
  return (item) => (item.tags ?? []).filter((tag) => tag.startsWith(prefix)).map((tag) => tag.slice(prefix.length));
}

const RULES: FacetRule[] = [
  { name: 'task', title: 'Task', kinds: ['model'], values: (item) => (item.pipeline_tag ? [item.pipeline_tag] : []), label: task, known: 'pipeline_tag' },
  { name: 'task', title: 'Task', kinds: ['dataset'], values: tagged('task_categories:'), label: task, known: 'task_categories' },
  { name: 'sdk', title: 'SDK', kinds: ['space'], values: (item) => (item.sdk ? [item.sdk] : []), label: (id) => id },
  { name: 'library', title: 'Library', kinds: ['model'], values: (item) => (item.library_name ? [item.library_name] : []), label: library, known: 'library' },
  {
    name: 'language', title: 'Language', kinds: ['model'], label: language,
    values: (item) => (item.tags ?? []).filter((tag) => language(tag) !== '' && tag !== item.library_name && tag !== item.pipeline_tag),
  },
  { name: 'language', title: 'Language', kinds: ['dataset'], values: tagged('language:'), label: (id) => language(id) || id },
  { name: 'size', title: 'Rows', kinds: ['dataset'], values: tagged('size_categories:'), label: rowCount, known: 'size_categories' },
  { name: 'license', title: 'Licence', kinds: ['model', 'dataset', 'space'], values: tagged('license:'), label: (id) => id, known: 'license' },
  { name: 'author', title: 'Owner', kinds: ['model', 'dataset', 'space'], values: (item) => [item.id.slice(0, item.id.indexOf('/'))], label: (id) => id },
  { name: 'gated', title: 'Access', kinds: ['model', 'dataset'], values: (item) => [item.gated ? 'true' : 'false'], label: (id) => (id === 'true' ? 'Ask for access' : 'Open') },
  { name: 'tag', title: 'Tag', kinds: ['model', 'dataset', 'space'], values: (item) => item.tags ?? [], label: (id) => id, isOpenEnded: true },
];

/** Of which the API takes one value only. */
const SINGLE = new Set(['task', 'author', 'gated', 'sdk']);

export function facetNames(kind: Kind): string[] {
  return RULES.filter((rule) => rule.kinds.includes(kind)).map((rule) => rule.name);
}

export function isSingle(name: string): boolean {
  return SINGLE.has(name);
}

const samples = new Map<Kind, Promise<Sample>>();

/** Asked once a visit. */
export function sample(kind: Kind): Promise<Sample> {
  let found = samples.get(kind);
  if (!found) {
    found = load(kind);
    found.catch(() => samples.delete(kind));
    samples.set(kind, found);
  }
  return found;
}

async function load(kind: Kind): Promise<Sample> {
  const query = new URLSearchParams({ limit: '1000', sort: 'likes' });
  const fields = kind === 'model' ? ['tags', 'pipeline_tag', 'library_name', 'gated'] : kind === 'dataset' ? ['tags', 'gated'] : ['tags', 'sdk'];
  for (const field of fields) query.append('expand', field);
  const [rows, known] = await Promise.all([page<RepoItem>(`/api/${pluralOf(kind)}?${query}`), tagsByType(kind)]);
  return { items: rows.items, isWhole: rows.next === '', known };
}

function meets(item: RepoItem, rules: FacetRule[], chosen: Chosen, search: string, except: string): boolean {
  // As the hub does: every word of the search, and names without regard to case.
  if (!search.toLowerCase().split(/\s+/).every((word) => item.id.toLowerCase().includes(word))) return false;
  return rules.every((rule) => {
    if (rule.name === except) return true;
    const plain = rule.name === 'author' ? (value: string): string => value.toLowerCase() : (value: string): string => value;
    const values = rule.values(item).map(plain);
    return (chosen[rule.name] ?? []).every((value) => values.includes(plain(value)));
  });
}

/** How many of the sample meet every filter. */
export function countChosen(kind: Kind, from: Sample, chosen: Chosen, search: string): number {
  const rules = RULES.filter((rule) => rule.kinds.includes(kind));
  return from.items.filter((item) => meets(item, rules, chosen, search, '')).length;
}

export function facetsOf(kind: Kind, from: Sample, chosen: Chosen, search: string): Facet[] {
  const rules = RULES.filter((rule) => rule.kinds.includes(kind));
  return rules.filter((rule) => !rule.isOpenEnded).map((rule) => {
    // Of a filter that takes many, each further one narrows; of one that takes one, another is instead.
    const except = isSingle(rule.name) ? rule.name : '';
    const counts = new Map<string, number>();
    for (const item of from.items) {
      const isIn = meets(item, rules, chosen, search, except);
      for (const value of rule.values(item)) counts.set(value, (counts.get(value) ?? 0) + (isIn ? 1 : 0));
    }
    const ids = [...counts.keys()];
    if (!from.isWhole && rule.known) {
      for (const tag of from.known[rule.known] ?? []) {
        const id = tag.id.slice(tag.id.indexOf(':') + 1);
        if (!counts.has(id)) ids.push(id);
      }
    }
    for (const id of chosen[rule.name] ?? []) if (!ids.includes(id)) ids.push(id);
    const options = ids.map((id) => ({ id, label: rule.label(id) || id, count: from.isWhole ? (counts.get(id) ?? 0) : undefined }));
    const isChosen = (id: string): boolean => (chosen[rule.name] ?? []).includes(id);
    options.sort((a, b) => (counts.get(b.id) ?? 0) - (counts.get(a.id) ?? 0) || a.label.localeCompare(b.label, 'en'));
    // What would leave nothing is no choice.
    return { name: rule.name, title: rule.title, options: options.filter((option) => option.count !== 0 || isChosen(option.id)) };
  }).filter((facet) => facet.options.length > 1 || (chosen[facet.name] ?? []).length > 0);
}

export function labelOf(kind: Kind, name: string, id: string): { title: string; label: string } {
  const rule = RULES.find((one) => one.name === name && one.kinds.includes(kind));
  return { title: rule?.title ?? name, label: rule?.label(id) || id };
}

/** The page's address as the API's query. */
export function apiQuery(kind: Kind, chosen: Chosen, search: string, sort: string): URLSearchParams {
  const query = new URLSearchParams({ sort });
  if (search !== '') query.set('search', search);
  for (const value of chosen['task'] ?? []) {
    if (kind === 'model') query.set('pipeline_tag', value);
    else query.append('filter', `task_categories:${value}`);
  }
  for (const value of chosen['tag'] ?? []) query.append('filter', value);
  for (const value of chosen['library'] ?? []) query.append('filter', value);
  for (const value of chosen['sdk'] ?? []) query.append('filter', value);
  for (const value of chosen['language'] ?? []) query.append('filter', kind === 'model' ? value : `language:${value}`);
  for (const value of chosen['size'] ?? []) query.append('filter', `size_categories:${value}`);
  for (const value of chosen['license'] ?? []) query.append('filter', `license:${value}`);
  for (const value of chosen['author'] ?? []) query.set('author', value);
  for (const value of chosen['gated'] ?? []) query.set('gated', value);
  return query;
}
