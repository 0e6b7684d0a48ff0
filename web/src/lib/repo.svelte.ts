/** The repository that a page is about, shared by its head and its tabs. */
import { page } from '$app/state';
import { getContext, setContext } from 'svelte';
import { repoInfo, type RepoInfo } from './api';
import { kindOfPlural, type Kind } from './kinds';
import { Resource } from './resource.svelte';

const KEY = Symbol('repository');

export class Repo {
  readonly kind: Kind = $derived(kindOfPlural(page.params['prefix'] ?? 'models'));
  readonly id: string = $derived(`${page.params['ns'] ?? ''}/${page.params['name'] ?? ''}`);
  /** What the address names: a branch, a tag or a commit; the main branch without one. */
  readonly revision: string = $derived(page.params['rev'] ?? 'main');
  readonly info: Resource<RepoInfo>;

  constructor() {
    this.info = new Resource<RepoInfo>((signal) => repoInfo(this.kind, this.id, '', signal));
  }
}

export function makeRepo(): Repo {
  return setContext(KEY, new Repo());
}

export function theRepo(): Repo {
  return getContext<Repo>(KEY);
}
