import adapter from '@sveltejs/adapter-static';
import { vitePreprocess } from '@sveltejs/vite-plugin-svelte';

const site = process.env.HEARTH_SITE ?? '.svelte-kit/site';

/** @type {import('@sveltejs/kit').Config} */
export default {
  preprocess: vitePreprocess(),
  compilerOptions: { runes: true },
  kit: {
    // One shell for every address: the program decides which addresses are pages (src/api/page_routes.cc).
    adapter: adapter({ pages: site, assets: site, fallback: 'index.html' }),
    // The same content gives the same files: no clock, no random name.
    version: { name: 'hearth' },
    output: { preloadStrategy: 'modulepreload' },
  },
};
