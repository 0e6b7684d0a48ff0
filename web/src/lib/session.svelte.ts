/** Who is at the page. The shell says whether there is someone, so that strangers cost no request. */
import { whoAmI, type Person } from './api';

export const session = $state<{ person: Person | undefined; isKnown: boolean }>({
  person: undefined,
  isKnown: !document.documentElement.hasAttribute('data-signed-in'),
});

export async function findPerson(): Promise<void> {
  if (session.isKnown) return;
  try {
    session.person = await whoAmI();
  } catch {
    session.person = undefined; // The session has ended since: a stranger.
  }
  session.isKnown = true;
}
