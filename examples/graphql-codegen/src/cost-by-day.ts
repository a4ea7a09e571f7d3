// What each day of the last thirty cost, by model. Put in the prices that you pay.
import { ask, daysAgo, rows } from './ask.js';
import { graphql } from './gql/index.js';

const TOKENS = graphql(`
  query Tokens($since: DateTime!, $after: String) {
    interceptions(first: 500, after: $after, filter: { startedAfter: $since }) {
      nodes {
        model
        startedAt
        tokenUsage {
          inputTokens
          outputTokens
          cacheReadInputTokens
          cacheWriteInputTokens
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

/** Dollars for a million tokens, by the beginning of the model's name. */
const PRICES = [
  { model: 'claude', input: 3, output: 15, cacheRead: 0.3, cacheWrite: 3.75 },
  { model: '', input: 2, output: 8, cacheRead: 0.5, cacheWrite: 2 },
] as const;

const since = daysAgo(30);
const days = new Map<string, { day: string; model: string; interceptions: number; dollars: number }>();

for await (const { model, startedAt, tokenUsage } of rows(
  async (after) => (await ask(TOKENS, { since, after })).interceptions,
)) {
  const day = startedAt.slice(0, 10);
  const price = PRICES.find((one) => model.startsWith(one.model)) ?? PRICES[1];
  const sum = days.get(`${day} ${model}`) ?? { day, model, interceptions: 0, dollars: 0 };
  sum.interceptions += 1;
  sum.dollars +=
    (tokenUsage.inputTokens * price.input +
      tokenUsage.outputTokens * price.output +
      tokenUsage.cacheReadInputTokens * price.cacheRead +
      tokenUsage.cacheWriteInputTokens * price.cacheWrite) /
    1e6;
  days.set(`${day} ${model}`, sum);
}

console.table(
  [...days.values()].map((sum) => ({ ...sum, dollars: Number(sum.dollars.toFixed(2)) })),
);
