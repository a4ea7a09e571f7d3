// Compiles a pagination fragment for every connection field of a schema, forward and backward, and
// a refetchable fragment for every Node type, with Relay's own compiler:
//   node relay_check.mjs SCHEMA.graphql FOLDER
// FOLDER is an empty scratch folder. Prints how many fragments were compiled.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { buildSchema, getNamedType, isObjectType } from 'graphql';

const [schemaFile, folder] = process.argv.slice(2);
const schema = buildSchema(readFileSync(schemaFile, 'utf8'));
const source = path.join(folder, 'src');
mkdirSync(source);
copyFileSync(schemaFile, path.join(folder, 'schema.graphql'));

const isNode = (type) => isObjectType(type) && type.getInterfaces().some(({ name }) => name === 'Node');
const isRefetchable = (type) => type === schema.getQueryType() || isNode(type);
let written = 0;

function write(name, fragment) {
  writeFileSync(path.join(source, `${name}.js`), `graphql\`${fragment}\`;\n`);
  written += 1;
}

function paginate(type, field, [size, cursor, direction]) {
  const name = `${type.name}_${field.name}_${direction}`.replaceAll('_', '');
  write(name, `
    fragment ${name}_list on ${type.name}
    @argumentDefinitions(count: { type: "Int", defaultValue: 10 }, cursor: { type: "String" })
    ${isRefetchable(type) ? `@refetchable(queryName: "${name}Query")` : ''} {
      ${field.name}(${size}: $count, ${cursor}: $cursor) @connection(key: "${name}_${field.name}") {
        edges { node { id } }
      }
    }`);
}

for (const type of Object.values(schema.getTypeMap()).filter(isObjectType)) {
  for (const field of Object.values(type.getFields())) {
    if (!getNamedType(field.type).name.endsWith('Connection')) continue;
    paginate(type, field, ['first', 'after', 'Forward']);
    paginate(type, field, ['last', 'before', 'Backward']);
  }
  if (isNode(type)) {
    const name = `${type.name}Refetch`;
    write(name, `fragment ${name}_it on ${type.name} @refetchable(queryName: "${name}Query") { id }`);
  }
}

const config = path.join(folder, 'relay.config.json');
writeFileSync(config, JSON.stringify({ src: './src', schema: './schema.graphql', language: 'javascript' }));
const compiler = createRequire(import.meta.url).resolve('relay-compiler/cli.js');
const run = spawnSync(process.execPath, [compiler, '--noWatchman', config], { cwd: folder, encoding: 'utf8' });
if (run.status !== 0) {
  console.error(run.stdout + run.stderr);
  process.exit(1);
}
console.log(written);
