const PREVIEW = /@graphiql\/react\/dist\/components\/image-preview\.js$/;

/**
 * Keep GraphiQL from loading a picture whose address stands in an answer (an avatar, say).
 * The page's policy would refuse it; this way nothing is tried.
 */
export function noPicturesFromElsewhere() {
  return {
    name: 'no-pictures-from-elsewhere',
    transform(code, id) {
      if (!PREVIEW.test(id)) return null;
      const changed = code.replace(/shouldRender\(path\) \{/, '$& return false;');
      if (changed === code) this.error('GraphiQL previews pictures in another way now');
      return { code: changed, map: null };
    },
  };
}
