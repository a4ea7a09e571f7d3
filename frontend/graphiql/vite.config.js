import { resolve } from 'node:path';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { compressed } from './plugins/compressed.js';
import { fontsAsFiles } from './plugins/fonts-as-files.js';
import { licences, notedPackages } from './plugins/licences.js';
import { noPicturesFromElsewhere } from './plugins/no-pictures-from-elsewhere.js';
import { sourcesDigest } from './plugins/sources-digest.js';

const root = import.meta.dirname;

export default defineConfig({
  // Relative addresses: the server says below which path the files are found.
  base: './',
  plugins: [
    react(),
    noPicturesFromElsewhere(),
    fontsAsFiles(),
    licences(),
    sourcesDigest(root),
    compressed(),
  ],
  worker: { format: 'es', plugins: () => [notedPackages()] },
  build: {
    outDir: resolve(root, '../../server/static/graphiql'),
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    // Monaco, the editor, is one large piece whatever we do.
    chunkSizeWarningLimit: 4096,
    rolldownOptions: { checks: { moduleLevelDirective: false } },
  },
});
