import { graphql, useFragment } from 'react-relay';
import type { SessionItem_session$key } from './__generated__/SessionItem_session.graphql';
import { ThreadList } from './ThreadList';

/** One session: who, when, at what cost, and its threads. */
export function SessionItem(props: { session: SessionItem_session$key }) {
  const session = useFragment(
    graphql`
      fragment SessionItem_session on Session {
        sessionId
        startedAt
        models
        initiator {
          username
        }
        tokenUsage {
          inputTokens
          outputTokens
        }
        ...ThreadList_session
      }
    `,
    props.session,
  );
  const { inputTokens, outputTokens } = session.tokenUsage;
  return (
    <li>
      <h2>
        {session.initiator.username}, {new Date(session.startedAt).toLocaleString()}
      </h2>
      <p>
        {session.models.join(', ')}: {(inputTokens + outputTokens).toLocaleString()} tokens
      </p>
      <ThreadList session={session} />
    </li>
  );
}
