/** What stands before the name of a repository that is no model. */
export function match(value: string): boolean {
  return value === 'datasets' || value === 'spaces';
}
