import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

// README and installed packages do not make the result another one; the lock file stands for the latter.
const LEFT_OUT = /^(node_modules|README\.md)/;

/**
 * Write down the digest of the sources that the assets were built from.
 * A test of the server compares it, so that a change here without a build is seen.
 */
export function sourcesDigest(root) {
  return {
    name: 'sources-digest',
    apply: 'build',
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: 'SOURCES.sha256', source: `${digest(root)}\n` });
    },
  };
}

function digest(root) {
  const names = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((name) => !LEFT_OUT.test(name))
    .sort();
  const hash = createHash('sha256');
  for (const name of names) {
    hash.update(`${name}\0`).update(readFileSync(join(root, name))).update('\0');
  }
  return hash.digest('hex');
}
