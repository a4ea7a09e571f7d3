// Audits what the draft of GraphQL over HTTP changed after the npm package graphql-http was written
// (graphql/graphql-over-http at e1e46e7, 2026-08-06: 422, 294, 405 with Allow, 406, 415):
//   node audit_http_draft.mjs URL TOKEN FIELD
// FIELD is a nullable field of Query that raises. One line of JSON for each audit: {"name", "ok", "got"}.
const [url, token, field] = process.argv.slice(2);
const GRAPHQL = 'application/graphql-response+json';
const JSON_ = 'application/json';
const PING = { query: '{ __typename }' };
const INVALID = { query: '{ nope_8f31403dfe404bcc }' };
const COERCION = { query: 'query ($n: String!) { __type(name: $n) { name } }', variables: { n: null } };

async function ask(init, target = url) {
  const headers = { 'Coder-Session-Token': token, accept: GRAPHQL, ...init.headers };
  const response = await fetch(target, { redirect: 'manual', ...init, headers });
  const text = await response.text();
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  const header = (name) => response.headers.get(name) ?? '';
  return { status: response.status, type: header('content-type'), allow: header('allow'), body };
}

const get = (parameters) => ask({}, `${url}?${new URLSearchParams(parameters)}`);
const post = (body, accept = GRAPHQL, type = JSON_) =>
  ask({
    method: 'POST',
    headers: { accept, 'content-type': type },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

const status = (...expected) => (got) => expected.includes(got.status);
const is4xx = (got) => got.status >= 400 && got.status < 500;
const hasNoData = (got) => Array.isArray(got.body?.errors) && !('data' in got.body);
const answersAs = (type) => (got) => got.type.includes(type);

// What is asked, and what must hold of the answer.
const audits = {
  'the media type is supported': [post(PING), (got) => got.status === 200 && answersAs(GRAPHQL)(got)],
  'the content type names the charset': [post(PING), answersAs('charset=utf-8')],
  'q-values: the media type is preferred': [post(PING, `${JSON_};q=0.5, ${GRAPHQL}`), answersAs(GRAPHQL)],
  'q-values: JSON is preferred': [post(PING, `${GRAPHQL};q=0.1, ${JSON_}`), answersAs(JSON_)],
  'nothing acceptable: 406': [post(PING, 'image/png'), status(406)],
  'a wildcard of low quality gets an answer': [post(PING, 'application/xml, */*;q=0.1'), status(200)],
  'a mutation by GET: 405 with Allow': [
    get({ query: 'mutation { __typename }' }),
    (got) => got.status === 405 && got.allow.includes('POST'),
  ],
  'another method: 405 with Allow': [
    ask({ method: 'PUT', headers: { 'content-type': JSON_ }, body: JSON.stringify(PING) }),
    (got) => got.status === 405 && got.allow !== '',
  ],
  'another content type: 415': [post(PING, GRAPHQL, 'text/plain'), status(415)],
  'no JSON: 400': [post('NONSENSE'), status(400)],
  'no JSON: errors in the body': [post('NONSENSE'), hasNoData],
  'no query: 422': [post({ qeury: PING.query }), status(422)],
  'variables are a list: 422': [post({ ...PING, variables: [7] }), status(422)],
  'operationName is a number: 422': [post({ ...PING, operationName: 7 }), status(422)],
  'extensions are a string: 422': [post({ ...PING, extensions: 'x' }), status(422)],
  'the document does not parse: 400': [post({ query: '{' }), status(400)],
  'the document does not parse: no data': [post({ query: '{' }), hasNoData],
  'the document is not valid: 4xx and no data': [post(INVALID), (got) => is4xx(got) && hasNoData(got)],
  'the document is not valid: 422': [post(INVALID), status(422)],
  'the document is not valid, read as JSON: 4xx': [post(INVALID, JSON_), is4xx],
  'the operation is ambiguous: 422': [
    post({ query: 'query A { __typename } query B { __typename }' }),
    status(422),
  ],
  'the operation is unknown: 422': [
    post({ query: 'query A { __typename }', operationName: 'Z' }),
    status(422),
  ],
  'a variable is not defined: 4xx': [post({ query: 'query ($a: ID) { __type(name: $b) { name } }' }), is4xx],
  'a variable does not fit: 4xx and no data': [post(COERCION), (got) => is4xx(got) && hasNoData(got)],
  'a variable does not fit: 422': [post(COERCION), status(422)],
  'unknown keys are ignored': [post({ ...PING, unknown: 1 }), status(200)],
  'empty parameters of GET are absent': [
    get({ ...PING, variables: '', operationName: '', extensions: '' }),
    status(200),
  ],
  'a field fails: data beside errors, 2xx': [
    post({ query: `{ ok: __typename ${field} }` }),
    (got) => got.status < 300 && got.body?.data?.ok === 'Query' && Array.isArray(got.body.errors),
  ],
  'a field fails: 294': [post({ query: `{ ok: __typename ${field} }` }), status(294)],
};

for (const [name, [asked, holds]] of Object.entries(audits)) {
  const got = await asked;
  console.log(JSON.stringify({ name, ok: holds(got), got: `${got.status} ${got.type}` }));
}
