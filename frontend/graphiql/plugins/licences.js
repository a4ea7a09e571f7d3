import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const PACKAGE = /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//;
const LICENCE_FILE = /^(licen[cs]e|notice|thirdpartynotices)/i;
const RULE = `\n${'-'.repeat(80)}\n`;

// The workers are bundles of their own, made before the page's; all write down here what they hold.
const folders = new Set();

/** Note which packages a bundle holds: used for the workers. */
export function notedPackages() {
  return {
    name: 'noted-packages',
    generateBundle(_options, bundle) {
      note(bundle);
    },
  };
}

/** Write the licence of every package in the bundles, and of the fonts, beside the assets. */
export function licences() {
  return {
    name: 'licences',
    apply: 'build',
    generateBundle(_options, bundle) {
      note(bundle);
      const parts = [...folders].map(licence).sort();
      const fonts = readFileSync(join(import.meta.dirname, 'font-licences.txt'), 'utf8');
      const source = ['What the built GraphiQL holds, and under which terms.\n', ...parts, fonts];
      this.emitFile({
        type: 'asset',
        fileName: 'THIRD_PARTY_LICENSES.txt',
        source: source.join(RULE).replace(/\r\n/g, '\n').replace(/[ \t]+$/gm, ''),
      });
    },
  };
}

function note(bundle) {
  for (const file of Object.values(bundle)) {
    for (const id of Object.keys(file.modules ?? {})) {
      const folder = PACKAGE.exec(id.replaceAll('\0', ''))?.[1];
      if (folder && existsSync(join(folder, 'package.json'))) folders.add(folder);
    }
  }
}

function licence(folder) {
  const about = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const texts = readdirSync(folder)
    .filter((name) => LICENCE_FILE.test(name))
    .sort()
    .map((name) => readFileSync(join(folder, name), 'utf8').trim());
  return [`${about.name} ${about.version} (${about.license})`, ...texts].join('\n\n') + '\n';
}
