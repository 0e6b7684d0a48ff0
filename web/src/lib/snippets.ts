/** How to use a repository, with this hub's address in it. */
import type { RepoInfo } from './api';
import type { Kind } from './kinds';

export interface Snippet {
  title: string;
  language: string;
  code: string;
}

function setEndpoint(): string {
  return `export HF_ENDPOINT=${location.origin}`;
}

/** What works for every repository. */
export function basicSnippets(kind: Kind, info: RepoInfo): Snippet[] {
  const type = kind === 'model' ? '' : ` --repo-type ${kind}`;
  const prefix = kind === 'model' ? '' : `${kind}s/`;
  const all: Snippet[] = [
    { title: 'Download', language: 'bash', code: `${setEndpoint()}\nhf download${type} \\\n  ${info.id}` },
  ];
  if (kind === 'dataset') {
    all.push({ title: 'Datasets', language: 'python', code: `# ${setEndpoint()}\nfrom datasets import load_dataset\n\nrows = load_dataset("${info.id}")` });
  }
  all.push({ title: 'git', language: 'bash', code: `git lfs install\ngit clone \\\n  ${location.origin}/${prefix}${info.id}` });
  return all;
}

/** Those of the model's library, by @huggingface/tasks, which is fetched for it. */
export async function librarySnippets(info: RepoInfo): Promise<Snippet[]> {
  if (!info.library_name) return [];
  const { MODEL_LIBRARIES_UI_ELEMENTS } = await import('@huggingface/tasks');
  const element = (MODEL_LIBRARIES_UI_ELEMENTS as Record<string, { prettyLabel: string; snippets?: (model: never) => string[] } | undefined>)[info.library_name];
  const made = element?.snippets?.({ ...info, inference: '' } as never) ?? [];
  const first = made[0];
  if (!element || !first) return [];
  return [{ title: element.prettyLabel, language: 'python', code: `# ${setEndpoint()}\n${first}` }];
}
