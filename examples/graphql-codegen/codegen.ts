import type { CodegenConfig } from '@graphql-codegen/cli';

const config: CodegenConfig = {
  schema: '../../schema.graphql',
  documents: 'src/**/*.ts',
  generates: {
    'src/gql/': {
      preset: 'client',
      // The manifest, persisted-documents.json, is what AIBRIDGE_TRUSTED_DOCUMENTS reads.
      presetConfig: { fragmentMasking: false, persistedDocuments: true },
      config: {
        documentMode: 'string',
        importExtension: '.js',
        useTypeImports: true,
        strictScalars: true,
        scalars: { BigInt: 'number', DateTime: 'string', JSON: 'unknown', UUID: 'string' },
      },
    },
  },
};

export default config;
