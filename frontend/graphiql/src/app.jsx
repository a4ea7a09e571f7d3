import { DOC_EXPLORER_PLUGIN } from '@graphiql/plugin-doc-explorer';
import { explorerPlugin } from '@graphiql/plugin-explorer';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { useEffect, useMemo, useState } from 'react';
import { createFetcher, fetchViewer } from './asking.js';
import { EXAMPLES_PLUGIN } from './examples-plugin.jsx';
import { examples } from './examples.js';
import icon from './icon.svg';
import { settings } from './settings.js';
import { SignedIn, SignIn } from './sign-in.jsx';

const PLUGINS = [EXAMPLES_PLUGIN, explorerPlugin(), HISTORY_PLUGIN];
const TABS = examples.map(({ query }) => ({ query }));
const SCALARS = { JSON: {}, BigInt: { type: 'integer' }, DateTime: { type: 'string' } };

export function App() {
  const [signedOut, setSignedOut] = useState(settings.hasToken ? null : { reason: '' });
  const [viewer, setViewer] = useState(null);
  const fetcher = useMemo(() => createFetcher((reason) => setSignedOut({ reason })), []);

  useEffect(() => {
    fetchViewer(fetcher).then(setViewer);
  }, [fetcher]);

  return (
    <>
      {settings.notice && (
        <p className="aibridge-notice" role="status">
          {settings.notice}
        </p>
      )}
      <GraphiQL
        fetcher={fetcher}
        plugins={PLUGINS}
        referencePlugin={DOC_EXPLORER_PLUGIN}
        defaultTabs={TABS}
        customScalarSchemas={SCALARS}
        defaultEditorToolsVisibility={false}
        shouldPersistHeaders={false}
        showPersistHeadersSettings={false}
      >
        <GraphiQL.Logo>
          {settings.hasToken && <SignedIn viewer={viewer} />}
          <span className="aibridge-brand" title={`aibridge-graphql ${settings.version}`}>
            <img src={icon} alt="" width="22" height="22" />
            AI Bridge
          </span>
        </GraphiQL.Logo>
      </GraphiQL>
      {signedOut && <SignIn reason={signedOut.reason} onClose={() => setSignedOut(null)} />}
    </>
  );
}
