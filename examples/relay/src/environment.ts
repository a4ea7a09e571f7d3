import { Environment, Network, RecordSource, Store, type FetchFunction } from 'relay-runtime';

// The page is served beside the API, and its cookie says who is signed in.
const ask: FetchFunction = async ({ text }, variables) => {
  const response = await fetch('/graphql', {
    method: 'POST',
    credentials: 'same-origin',
    headers: { Accept: 'application/graphql-response+json', 'Content-Type': 'application/json' },
    body: JSON.stringify({ query: text, variables }),
  });
  return response.json();
};

export const environment = new Environment({
  network: Network.create(ask),
  store: new Store(new RecordSource()),
});
