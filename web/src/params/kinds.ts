/** The lists: /models, /datasets, /spaces. */
export function match(value: string): boolean {
  return value === 'models' || value === 'datasets' || value === 'spaces';
}
