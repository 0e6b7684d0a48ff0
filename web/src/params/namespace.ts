/** Words that begin addresses of other things: the program answers those itself. */
const TAKEN = new Set(['.well-known', '_app', 'api', 'avatars', 'cas', 'datasets', 'models', 'oauth', 'settings', 'setup', 'spaces']);

export function match(value: string): boolean {
  return !TAKEN.has(value);
}
