/** Light or dark: the system's, or what was chosen in this browser. static/_app/theme.js reads it before the first paint. */
export type Theme = 'system' | 'light' | 'dark';

function stored(): Theme {
  const set = document.documentElement.dataset['theme'];
  return set === 'light' || set === 'dark' ? set : 'system';
}

const system = matchMedia('(prefers-color-scheme: dark)');

export const theme = $state<{ chosen: Theme; isSystemDark: boolean }>({ chosen: stored(), isSystemDark: system.matches });

system.addEventListener('change', () => (theme.isSystemDark = system.matches));

export function setTheme(chosen: Theme): void {
  theme.chosen = chosen;
  if (chosen === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = chosen;
  try {
    if (chosen === 'system') localStorage.removeItem('theme');
    else localStorage.setItem('theme', chosen);
  } catch {
    // Then it holds until the page is left.
  }
}

/** What is on the screen now. */
export function shownTheme(): 'light' | 'dark' {
  return theme.chosen === 'system' ? (theme.isSystemDark ? 'dark' : 'light') : theme.chosen;
}
