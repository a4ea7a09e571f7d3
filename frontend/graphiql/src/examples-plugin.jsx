import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { examples } from './examples.js';

function ExamplesIcon(props) {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" {...props}>
      <path d="M9.5 18h5M10.5 21h3" strokeLinecap="round" />
      <path d="M8.5 15c0-2-2.5-3-2.5-6.2a6 6 0 0 1 12 0c0 3.2-2.5 4.2-2.5 6.2z" strokeLinejoin="round" />
    </svg>
  );
}

function Examples() {
  const editor = useGraphiQL((state) => state.queryEditor);
  const { addTab, setOperationName } = useGraphiQLActions();
  const open = ({ query, operation }) => {
    addTab();
    editor.setValue(query);
    // GraphiQL itself reads it a moment later: who runs the example at once would ask for the one before.
    setOperationName(operation);
    editor.focus();
  };
  return (
    <section aria-label="Examples" className="aibridge-examples">
      <header className="aibridge-examples-title">Examples</header>
      <p>Each opens in a tab of its own, ready to run.</p>
      {examples.map((example) => (
        <button key={example.operation} type="button" onClick={() => open(example)}>
          <strong>{example.title}</strong>
          <span>{example.about}</span>
        </button>
      ))}
    </section>
  );
}

export const EXAMPLES_PLUGIN = { title: 'Examples', icon: ExamplesIcon, content: Examples };
