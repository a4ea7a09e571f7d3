// Which tools were called on whose behalf in the last thirty days, and how many calls failed.
import { ask, daysAgo, rows } from './ask.js';
import { graphql } from './gql/index.js';

const TOOL_CALLS = graphql(`
  query ToolCalls($since: DateTime!, $after: String) {
    toolUsages(first: 500, after: $after, filter: { createdAfter: $since }) {
      nodes {
        tool
        invocationError
        interception {
          initiator {
            username
          }
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

const since = daysAgo(30);
const counted = new Map<string, { initiator: string; tool: string; calls: number; failed: number }>();

for await (const { tool, invocationError, interception } of rows(
  async (after) => (await ask(TOOL_CALLS, { since, after })).toolUsages,
)) {
  const initiator = interception.initiator.username;
  const key = `${initiator} ${tool}`;
  const count = counted.get(key) ?? { initiator, tool, calls: 0, failed: 0 };
  count.calls += 1;
  count.failed += invocationError === null ? 0 : 1;
  counted.set(key, count);
}

console.table([...counted.values()].sort((one, other) => other.calls - one.calls));
