import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { settings } from './settings.js';

const NOBODY = {
  errors: [
    {
      message: 'Nobody is signed in. Sign in, or set a token in the Headers editor, and ask again.',
      extensions: { code: 'UNAUTHENTICATED' },
    },
  ],
};

const VIEWER = 'query WhoIsSignedIn { viewer { user { username name } roles canReadAll } }';

/**
 * Return GraphiQL's way to the server.
 * Where no token is known nothing is sent, unless the person gives headers of their own.
 */
export function createFetcher(onRefused) {
  const send = createGraphiQLFetcher({
    url: settings.endpoint,
    subscriptionUrl: webSocketUrl(),
    enableIncrementalDelivery: false,
    fetch: async (url, options) => {
      const answer = await fetch(url, options);
      if (answer.status === 401) onRefused(await reason(answer.clone()));
      return answer;
    },
  });
  return (params, options) =>
    settings.hasToken || options?.headers ? send(params, options) : Promise.resolve(NOBODY);
}

/** Return who is signed in, or null where the server does not tell. */
export async function fetchViewer(fetcher) {
  if (!settings.hasToken || settings.notice) return null;
  try {
    const answer = await fetcher({ query: VIEWER, operationName: 'WhoIsSignedIn' });
    return answer.data?.viewer ?? null;
  } catch {
    return null; // The person's own request will say what is wrong.
  }
}

function webSocketUrl() {
  if (!settings.subscriptions) return undefined;
  const url = new URL(settings.subscriptions, location.href);
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

async function reason(answer) {
  try {
    const body = await answer.json();
    return body.detail || body.message || '';
  } catch {
    return '';
  }
}
