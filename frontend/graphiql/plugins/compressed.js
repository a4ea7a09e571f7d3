import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

// Fonts in these forms are compressed already.
const ALREADY_SMALL = /\.(woff2?|png)$/;

/**
 * Store every asset as gzip only: each browser takes it, and Python undoes it without help.
 * Node writes no time into the header, so that the same sources make the same bytes.
 */
export function compressed() {
  return {
    name: 'compressed',
    apply: 'build',
    writeBundle({ dir }) {
      const assets = join(dir, 'assets');
      for (const name of readdirSync(assets)) {
        if (ALREADY_SMALL.test(name)) continue;
        const path = join(assets, name);
        writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
        rmSync(path);
      }
    },
  };
}
