import { graphql, usePaginationFragment } from 'react-relay';
import type { ThreadList_session$key } from './__generated__/ThreadList_session.graphql';
import type { ThreadListQuery } from './__generated__/ThreadListQuery.graphql';

/** A session's prompts and the tools that each set off; more of them by the session's global id. */
export function ThreadList(props: { session: ThreadList_session$key }) {
  const { data, hasNext, loadNext } = usePaginationFragment<ThreadListQuery, ThreadList_session$key>(
    graphql`
      fragment ThreadList_session on Session
      @refetchable(queryName: "ThreadListQuery")
      @argumentDefinitions(
        count: { type: "Int", defaultValue: 5 }
        cursor: { type: "String" }
      ) {
        threads(first: $count, after: $cursor) @connection(key: "ThreadList_threads") {
          edges {
            node {
              id
              prompt
              agenticActions {
                toolCalls {
                  id
                  tool
                  invocationError
                }
              }
            }
          }
        }
      }
    `,
    props.session,
  );
  return (
    <>
      <dl>
        {data.threads.edges.map(({ node: { id, prompt, agenticActions } }) => (
          <div key={id}>
            <dt>{prompt ?? '(no prompt)'}</dt>
            {agenticActions.flatMap(({ toolCalls }) =>
              toolCalls.map((call) => (
                <dd key={call.id} className={call.invocationError === null ? 'done' : 'failed'}>
                  {call.tool}
                </dd>
              )),
            )}
          </div>
        ))}
      </dl>
      {hasNext && <button onClick={() => loadNext(20)}>more</button>}
    </>
  );
}
