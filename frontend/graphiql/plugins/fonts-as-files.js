const EMBEDDED_FONT = /url\(["']?data:font\/(\w+);base64,([A-Za-z0-9+/=]+)["']?\)/g;

/**
 * Take the fonts out of the style sheets into files of their own.
 * A browser then loads only those that the text needs, and the page's policy allows no `data:` font.
 */
export function fontsAsFiles() {
  return {
    name: 'fonts-as-files',
    apply: 'build',
    generateBundle(_options, bundle) {
      for (const file of Object.values(bundle)) {
        if (!file.fileName.endsWith('.css')) continue;
        file.source = String(file.source).replace(EMBEDDED_FONT, (_match, format, base64) => {
          const source = Buffer.from(base64, 'base64');
          const id = this.emitFile({ type: 'asset', name: `font.${format}`, source });
          return `url(./${this.getFileName(id).replace('assets/', '')})`;
        });
      }
    },
  };
}
