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
  /** What the hub said, and to which question. */
  readonly answer: Resource<{ kind: Kind; id: string; info: RepoInfo }>;
  /** Of the repository that the address names; its own `id` is another one when it was moved, or is spelled otherwise. */
  readonly info: RepoInfo | undefined;

  constructor() {
    this.answer = new Resource(async (signal) => {
      const { kind, id } = this;
      return { kind, id, info: await repoInfo(kind, id, '', signal) };
    });
    // When the address becomes the repository's own, what is shown stays.
    this.info = $derived.by(() => {
      const found = this.answer.value;
      return found?.kind === this.kind && (found.id === this.id || found.info.id === this.id) ? found.info : undefined;
    });
  }
}

export function makeRepo(): Repo {
  return setContext(KEY, new Repo());
}

export function theRepo(): Repo {
  return getContext<Repo>(KEY);
}
