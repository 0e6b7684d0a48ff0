import { sveltekit } from '@sveltejs/kit/vite';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [sveltekit()],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0, // The pages' policy allows no fonts or scripts of data: addresses.
    chunkSizeWarningLimit: 1000,
  },
  server: { proxy: { '/api': 'http://localhost:8080', '/avatars': 'http://localhost:8080' } },
});
