// PostGraphile on our tables: `node server.mjs PORT`, the database's URL in DATABASE_URL.
//
// Its schema is what it makes of the tables by itself, and beside that what the workloads need: the
// relations, the orders of the lists, and which rows are shown. Prepared statements and its caches of
// documents and plans are on by default; its option `outputDataAsString` made no difference.
import { createServer } from "node:http";

import { postgraphile } from "postgraphile";
import { makePgService } from "postgraphile/adaptors/pg";
import { grafserv } from "postgraphile/grafserv/node";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { addPgTableCondition, addPgTableOrderBy, extendSchema, jsonPgSmartTags } from "postgraphile/utils";

const SESSIONS = "aibridge_sessions";
const INTERCEPTIONS = "aibridge_interceptions";
const USAGES = {
  aibridge_token_usages: "tokenUsages",
  aibridge_user_prompts: "userPrompts",
  aibridge_tool_usages: "toolUsages",
  aibridge_model_thoughts: "modelThoughts",
};

// The database has no foreign keys between these tables: the smart tags stand for them.
const usageTags = Object.entries(USAGES).map(([table, name]) => [
  table,
  { tags: { foreignKey: `(interception_id) references ${INTERCEPTIONS} (id)|@foreignFieldName ${name}` } },
]);
const relations = jsonPgSmartTags({
  version: 1,
  config: {
    class: {
      [SESSIONS]: {
        tags: {
          foreignKey: [
            "(initiator_id) references users (id)|@fieldName initiator",
            "(last_prompt_id) references aibridge_user_prompts (id)|@fieldName newestPrompt",
          ],
        },
        attribute: {
          threads: { tags: { name: "thread_count" } },
          interceptions: { tags: { name: "interception_count" } },
        },
      },
      [INTERCEPTIONS]: {
        tags: {
          foreignKey: `(session_id, initiator_id) references ${SESSIONS} (session_id, initiator_id)|@foreignFieldName threads`,
        },
      },
      aibridge_kinds: { tags: { behavior: "-*" } },
      ...Object.fromEntries(usageTags),
    },
  },
});

// Each order is total, so that no other column is added to it.
const order = (tableName, name, columns, direction) =>
  addPgTableOrderBy({ schemaName: "public", tableName }, () => ({
    [name]: {
      extensions: {
        grafast: {
          apply(query) {
            for (const attribute of columns) query.orderBy({ attribute, direction });
            query.setOrderIsUnique();
          },
        },
      },
    },
  }));
const usageOrders = Object.keys(USAGES).map((table) => {
  const columns = table === "aibridge_model_thoughts" ? ["created_at"] : ["created_at", "id"];
  return order(table, "OLDEST", columns, "ASC");
});

const condition = (name, where) =>
  addPgTableCondition(
    { schemaName: "public", tableName: INTERCEPTIONS },
    name,
    (build) => ({ type: build.graphql.GraphQLBoolean }),
    (wanted, { sql, sqlTableAlias }) => (wanted ? where(sql, sqlTableAlias) : null),
  );

// What a foreign key can't say: a thread is its root and all that name it as their root.
const threads = extendSchema(({ sql, pgResources, dataplanPg }) => ({
  typeDefs: "extend type AibridgeInterception { interceptions: [AibridgeInterception!]! }",
  objects: {
    AibridgeInterception: {
      plans: {
        interceptions($root) {
          const $members = pgResources[INTERCEPTIONS].find();
          const table = $members.alias;
          const id = $members.placeholder($root.get("id"), dataplanPg.TYPES.uuid);
          $members.where(sql`(${table}.id = ${id} or ${table}.thread_root_id = ${id})`);
          $members.where(sql`${table}.ended_at is not null`);
          for (const attribute of ["started_at", "id"]) $members.orderBy({ attribute, direction: "ASC" });
          $members.setOrderIsUnique();
          // A statement of its own: arrays as text within arrays as text, four deep, take 10 % more CPU.
          return $members.setInliningForbidden();
        },
      },
    },
  },
}));

const preset = {
  extends: [PostGraphileAmberPreset],
  plugins: [
    relations,
    threads,
    condition("isEnded", (sql, table) => sql`${table}.ended_at is not null`),
    condition("isRoot", (sql, table) => sql`${table}.thread_root_id is null`),
    order(SESSIONS, "NEWEST", ["started_at", "session_id", "initiator_id"], "DESC"),
    order(SESSIONS, "OLDEST", ["started_at", "session_id", "initiator_id"], "ASC"),
    order(INTERCEPTIONS, "NEWEST", ["started_at", "id"], "DESC"),
    order(INTERCEPTIONS, "OLDEST", ["started_at", "id"], "ASC"),
    ...usageOrders,
  ],
  schema: { defaultBehavior: "+connection +list" },
  pgServices: [
    makePgService({ connectionString: process.env.DATABASE_URL, poolConfig: { max: 10 }, pubsub: false }),
  ],
  grafserv: { graphiql: false, websockets: false },
};

const server = createServer();
await postgraphile(preset).createServ(grafserv).addTo(server);
server.listen(Number(process.argv[2]), "127.0.0.1");
