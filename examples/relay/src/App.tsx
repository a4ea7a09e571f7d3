import { Suspense } from 'react';
import { graphql, RelayEnvironmentProvider, useLazyLoadQuery } from 'react-relay';
import type { AppQuery } from './__generated__/AppQuery.graphql';
import { environment } from './environment';
import { SessionList } from './SessionList';

/** Who you are, and the sessions that you may see. */
function Trail() {
  const query = useLazyLoadQuery<AppQuery>(
    graphql`
      query AppQuery {
        viewer {
          canReadAll
          user {
            username
          }
        }
        ...SessionList_query
      }
    `,
    {},
  );
  const { canReadAll, user } = query.viewer;
  return (
    <>
      <h1>{canReadAll ? 'All sessions' : `Sessions of ${user.username}`}</h1>
      <SessionList query={query} />
    </>
  );
}

export function App() {
  return (
    <RelayEnvironmentProvider environment={environment}>
      <Suspense fallback="Loading…">
        <Trail />
      </Suspense>
    </RelayEnvironmentProvider>
  );
}
