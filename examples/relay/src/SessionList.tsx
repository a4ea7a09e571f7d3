import { graphql, usePaginationFragment } from 'react-relay';
import type { SessionList_query$key } from './__generated__/SessionList_query.graphql';
import type { SessionListQuery } from './__generated__/SessionListQuery.graphql';
import { SessionItem } from './SessionItem';

/** Sessions, newest first, page by page; of one initiator where a name is typed in. */
export function SessionList(props: { query: SessionList_query$key }) {
  const { data, hasNext, isLoadingNext, loadNext, refetch } = usePaginationFragment<
    SessionListQuery,
    SessionList_query$key
  >(
    graphql`
      fragment SessionList_query on Query
      @refetchable(queryName: "SessionListQuery")
      @argumentDefinitions(
        count: { type: "Int", defaultValue: 25 }
        cursor: { type: "String" }
        filter: { type: "InterceptionFilter" }
      ) {
        sessions(first: $count, after: $cursor, filter: $filter)
          @connection(key: "SessionList_sessions") {
          totalCount
          edges {
            node {
              id
              ...SessionItem_session
            }
          }
        }
      }
    `,
    props.query,
  );
  const { edges, totalCount } = data.sessions;
  return (
    <>
      <input
        placeholder="initiator"
        onChange={({ target }) => refetch({ filter: target.value ? { initiator: target.value } : null })}
      />
      <ol>
        {edges.map(({ node }) => (
          <SessionItem key={node.id} session={node} />
        ))}
      </ol>
      <button disabled={!hasNext || isLoadingNext} onClick={() => loadNext(25)}>
        {edges.length} of {totalCount}
      </button>
    </>
  );
}
