const files = import.meta.glob('../examples/*.graphql', {
  eager: true,
  query: '?raw',
  import: 'default',
});

/** The examples in the order of their file names: one operation each, the first comment line is the title. */
export const examples = Object.keys(files)
  .sort()
  .map((name) => {
    const query = files[name];
    const comments = query.split('\n').filter((line) => line.startsWith('#'));
    const [title, ...about] = comments.map((line) => line.replace(/^#\s*/, ''));
    const [, operation] = query.match(/^query (\w+)/m);
    return { operation, title, about: about.join(' '), query };
  });
