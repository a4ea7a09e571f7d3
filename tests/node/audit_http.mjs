// Runs the audits of the npm package graphql-http against a server and prints what each said:
//   node audit_http.mjs URL TOKEN
// One line of JSON for each audit: {"id", "name", "ok", "reason"}.
import { serverAudits } from 'graphql-http';

const [url, token] = process.argv.slice(2);

function fetchFn(target, init = {}) {
  const headers = new Headers(init.headers);
  headers.set('Coder-Session-Token', token);
  return fetch(target, { ...init, headers });
}

for (const audit of serverAudits({ url, fetchFn })) {
  const { id, name, status, reason } = await audit.fn();
  console.log(JSON.stringify({ id, name, ok: status === 'ok', reason }));
}
