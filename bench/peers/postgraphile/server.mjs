// PostGraphile on our tables: `node server.mjs PORT`, with the database's URL in DATABASE_URL.
import { createServer } from "node:http";

import { postgraphile } from "postgraphile";
import { makePgService } from "postgraphile/adaptors/pg";
import { grafserv } from "postgraphile/grafserv/node";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { addPgTableCondition, addPgTableOrderBy, extendSchema, jsonPgSmartTags } from "postgraphile/utils";

const INTERCEPTIONS = "aibridge_interceptions";
const CHILDREN = [
  "aibridge_token_usages",
  "aibridge_user_prompts",
  "aibridge_tool_usages",
];

// The database has no foreign keys between these tables: the smart tags stand for them.
const usage = (name) => ({
  tags: { foreignKey: `(interception_id) references ${INTERCEPTIONS} (id)|@foreignFieldName ${name}` },
});
const relations = jsonPgSmartTags({
  version: 1,
  config: {
    class: {
      aibridge_sessions: {
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
      aibridge_kinds: { tags: { behavior: "-*" } },
      [INTERCEPTIONS]: {
        tags: {
          foreignKey:
            "(session_id, initiator_id) references aibridge_sessions (session_id, initiator_id)|@foreignFieldName threads",
        },
      },
      aibridge_token_usages: usage("tokenUsages"),
      aibridge_user_prompts: usage("userPrompts"),
      aibridge_tool_usages: usage("toolUsages"),
      aibridge_model_thoughts: usage("modelThoughts"),
    },
  },
});

// The lists' own orders, each one total, so that no other column is added to them.
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

const condition = (name, where) =>
  addPgTableCondition(
    { schemaName: "public", tableName: INTERCEPTIONS },
    name,
    (build) => ({ type: build.graphql.GraphQLBoolean }),
    (wanted, { sql, sqlTableAlias }) => (wanted ? where(sql, sqlTableAlias) : null),
  );

// What a foreign key can't say: a thread is its root and all that name it as their root.
const threads = extendSchema((build) => {
  const { sql, pgResources } = build;
  const { TYPES } = build.dataplanPg;
  return {
    typeDefs: `extend type AibridgeInterception { interceptions: [AibridgeInterception!]! }`,
    objects: {
      AibridgeInterception: {
        plans: {
          interceptions($root) {
            const $members = pgResources.aibridge_interceptions.find();
            const id = $members.placeholder($root.get("id"), TYPES.uuid);
            const table = $members.alias;
            $members.where(sql`(${table}.id = ${id} or ${table}.thread_root_id = ${id})`);
            $members.where(sql`${table}.ended_at is not null`);
            for (const attribute of ["started_at", "id"]) $members.orderBy({ attribute, direction: "ASC" });
            $members.setOrderIsUnique();
            return $members;
          },
        },
      },
    },
  };
});

const preset = {
  extends: [PostGraphileAmberPreset],
  plugins: [
    relations,
    threads,
    condition("isEnded", (sql, table) => sql`${table}.ended_at is not null`),
    condition("isRoot", (sql, table) => sql`${table}.thread_root_id is null`),
    order("aibridge_sessions", "NEWEST", ["started_at", "session_id", "initiator_id"], "DESC"),
    order("aibridge_sessions", "OLDEST", ["started_at", "session_id", "initiator_id"], "ASC"),
    order(INTERCEPTIONS, "NEWEST", ["started_at", "id"], "DESC"),
    order(INTERCEPTIONS, "OLDEST", ["started_at", "id"], "ASC"),
    ...CHILDREN.map((table) => order(table, "OLDEST", ["created_at", "id"], "ASC")),
    order("aibridge_model_thoughts", "OLDEST", ["created_at"], "ASC"),
  ],
  schema: { defaultBehavior: "+connection +list" },
  gather: { pgStrictFunctions: true },
  pgServices: [
    makePgService({
      connectionString: process.env.DATABASE_URL,
      poolConfig: { max: 10 },
      pubsub: false,
    }),
  ],
  grafserv: { graphiql: false, websockets: false, watch: false },
  grafast: { explain: false },
};

const server = createServer();
await postgraphile(preset).createServ(grafserv).addTo(server);
server.listen(Number(process.argv[2]), "127.0.0.1");
