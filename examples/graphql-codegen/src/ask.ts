import type { TypedDocumentString } from './gql/graphql.js';

const url = process.env['AIBRIDGE_URL'] ?? 'http://127.0.0.1:8000';
const token = process.env['AIBRIDGE_TOKEN'] ?? '';

/** Run an operation and return its data; any error of it is thrown, with its code. */
export async function ask<Data, Variables>(
  document: TypedDocumentString<Data, Variables>,
  variables: Variables,
): Promise<Data> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Coder-Session-Token': token },
    body: JSON.stringify({ query: document.toString(), variables }),
  });
  const { data, errors, message } = (await response.json()) as {
    data?: Data;
    errors?: { message: string; extensions: { code: string } }[];
    message?: string;
  };
  if (errors?.[0]) throw new Error(`${errors[0].extensions.code}: ${errors[0].message}`);
  if (!data) throw new Error(message ?? response.statusText);
  return data;
}

interface Page<Row> {
  nodes: Row[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
}

/** Yield the rows of all pages; `read` is given the cursor that a page begins behind. */
export async function* rows<Row>(
  read: (after: string | null) => Promise<Page<Row>>,
): AsyncGenerator<Row> {
  let after: string | null = null;
  do {
    const { nodes, pageInfo }: Page<Row> = await read(after);
    yield* nodes;
    after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
  } while (after !== null);
}

/** The start of the day that many days ago. */
export function daysAgo(days: number): string {
  const start = new Date();
  start.setUTCDate(start.getUTCDate() - days);
  start.setUTCHours(0, 0, 0, 0);
  return start.toISOString();
}
